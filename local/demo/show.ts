import { z } from 'zod';
import { addDays, dayOf, type DayRange } from '../../domain/days.ts';
import { StackError } from '../errors.ts';
import { JsonClient } from '../http.ts';
import { logDirOf } from '../stack/logs.ts';
import type { SimulatorAddress } from '../stack/parts.ts';
import type { Stack } from '../stack/stack.ts';
import type { Console } from '../terminal/console.ts';
import { addressesOf, mailsOf, printGuide } from '../terminal/guide.ts';
import { printAnomaly } from './anomaly.ts';
import { printBudget } from './budget.ts';
import { printChargeback } from './chargeback.ts';
import { confirmationRows, makeChannel, waitForConfirmation, type AwaitedMail } from './confirmation.ts';
import { printForecast } from './forecast.ts';
import { checkLedger, type LedgerCheck } from './ledger-check.ts';
import { Sample, type Connection } from './sample.ts';
import { printChanges, printUnitCosts } from './spend.ts';
import { amountTable, withSeparators } from './tables.ts';

/** Today's costs may grow between a sync and a comparison. So a difference of today alone is compared this often. */
const MAX_COMPARISONS = 3;
const MAX_DIFFERENCES_SHOWN = 10;
const SHOWN_DAYS = 31;
const ALL_ROWS = '10000';

export interface Shown {
  readonly connection: Connection;
  /** Whether every line equals the ledger. */
  readonly matched: boolean;
  /** Null if mails go to a mail server of somebody's own. */
  readonly confirmation: AwaitedMail | null;
}

/**
 * Connects the sample organization, waits for its sync, prints its costs, and compares every line with the ledger. Then
 * prints a budget that told, a forecast and an anomaly.
 */
export async function showSample(out: Console, stack: Stack): Promise<Shown> {
  const { simulator } = stack;
  if (simulator === null) throw new StackError('The demo has no simulator.');
  const api = new JsonClient(stack.apiUrl, stack.token.value);
  // Where mails leave for the world, the demo's must not go to an address that it made up.
  if (stack.mailFolder !== null) await makeChannel(api);
  const sample = new Sample(api, out);
  const connection = await connectAndSync(out, sample, simulator);
  const check = await compare(sample, {
    api,
    simulator: new JsonClient(simulator.url),
    connectionId: connection.id,
  });
  await printCosts(out, api, connection.id);
  await printUnitCosts(out, api, { connection_id: connection.id, ...lastDays() });
  await printChanges(out, api, connection.id);
  await printChargeback(out, api, lastDays().from);
  out.line();
  printVerdict(out, check);
  const watched = { api, stack, connectionId: connection.id };
  await printBudget(out, watched);
  await printForecast(out, watched);
  await printAnomaly(out, watched);
  return {
    connection,
    matched: check.differences.length === 0,
    confirmation: await confirmationOf(api, stack, connection),
  };
}

async function confirmationOf(
  api: JsonClient,
  { mailFolder }: Stack,
  { id: connectionId }: Connection,
): Promise<AwaitedMail | null> {
  return mailFolder === null ? null : waitForConfirmation(api, { mailFolder, connectionId });
}

/** Prints where the mail lies that confirms the connection. */
export function showConfirmation(out: Console, { confirmation }: Shown): void {
  if (confirmation === null) return;
  out.line();
  out.pairs(confirmationRows(confirmation));
}

/** Prints where the stack and the connection's workflow are, where mails lie, and how to reach them from another terminal. */
export async function showAddresses(
  out: Console,
  stack: Stack,
  { connection: { temporal }, confirmation }: Shown,
): Promise<void> {
  const { dataDir, token } = stack;
  out.line();
  out.pairs([
    ...addressesOf(stack),
    ...(temporal.url === null ? [] : [['Workflow', temporal.url] satisfies [string, string]]),
    ['Admin token', token.file === null ? 'from METERLINE_API_TOKEN' : `in ${token.file}`],
    ['Data', dataDir],
    ['Logs', logDirOf(dataDir)],
    ...mailsOf(stack),
    ...confirmationRows(confirmation),
  ]);
  await printGuide(out, stack);
}

async function connectAndSync(out: Console, sample: Sample, simulator: SimulatorAddress): Promise<Connection> {
  const { name } = simulator.organization;
  const { id, isNew } = await out.step(
    'Connection',
    () => sample.connect(simulator),
    (connected) => (connected.isNew ? name : `${name}, connected by an earlier run`),
  );
  return await out.step(
    'Sync',
    () => (isNew ? sample.waitForBackfill(id) : sample.sync(id)),
    ({ backfill }) => `${backfill.days_done} of ${backfill.days_total} days`,
  );
}

async function compare(
  sample: Sample,
  clients: { api: JsonClient; simulator: JsonClient; connectionId: string },
): Promise<LedgerCheck> {
  for (let comparison = 1; ; comparison += 1) {
    const check = await checkLedger({ ...clients, ...lastDays() });
    const today = dayOf(Date.now());
    const onlyToday = check.differences.every(({ day }) => day === today);
    if (check.differences.length === 0 || !onlyToday || comparison === MAX_COMPARISONS) return check;
    await sample.sync(clients.connectionId);
  }
}

function lastDays(): DayRange {
  const to = dayOf(Date.now());
  return { from: addDays(to, 1 - SHOWN_DAYS), to };
}

const costs = z.object({
  data: z.array(
    z.object({
      workspace: z.object({ name: z.string() }).optional(),
      model: z.string().nullish(),
      amount: z.string(),
    }),
  ),
  total: z.string(),
});

const TABLES = [
  { title: 'By workspace', group: 'workspace' },
  { title: 'By model', group: 'model' },
];

async function printCosts(out: Console, api: JsonClient, connectionId: string): Promise<void> {
  for (const { title, group } of TABLES) {
    const query = { connection_id: connectionId, ...lastDays(), group_by: group, limit: ALL_ROWS };
    const { data, total } = await api.get('/v1/costs', query, costs);
    const rows = data.map(({ workspace, model, amount }) => ({ name: workspace?.name ?? model ?? 'No model', amount }));
    out.line();
    for (const line of amountTable(title, rows, total)) out.line(`  ${line}`);
  }
}

function printVerdict(out: Console, { costLines, usageLines, days, total, differences }: LedgerCheck): void {
  const number = (value: number): string => withSeparators(String(value));
  if (differences.length === 0) {
    const lines = `${number(costLines)} cost lines and ${number(usageLines)} usage lines on ${days} days`;
    out.line(`  ${out.style('green', '✓')} Every line equals the ledger: ${lines}, total $${withSeparators(total)}`);
    return;
  }
  out.line(`  ${out.style('red', '✗')} ${number(differences.length)} lines differ from the ledger:`);
  for (const { report, text } of differences.slice(0, MAX_DIFFERENCES_SHOWN)) out.line(`    ${report} ${text}`);
}
