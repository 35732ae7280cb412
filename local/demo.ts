import { join } from 'node:path';
import { z } from 'zod';
import { ConfigError, loadStackConfig, type Config } from '../config/config.ts';
import { addDays, dayOf } from '../domain/days.ts';
import { Console } from './console.ts';
import { printGuide } from './guide.ts';
import { JsonClient } from './http.ts';
import { checkLedger, type CheckOptions, type LedgerCheck } from './ledger-check.ts';
import { messageOf } from './processes.ts';
import { Sample, type Connection } from './sample.ts';
import { startStack, type SimulatorListening, type Stack } from './stack.ts';
import { amountTable, withSeparators } from './tables.ts';

/**
 * `npm run demo`: the whole of Meterline with a simulated Anthropic and a sample organization, in a data directory of
 * its own. With `--once` it ends after its comparison, with status 0 only if every line matched.
 */
const USAGE = 'Usage: npm run demo [-- --once]';
/** Today grows while it is compared; the last comparison counts. */
const COMPARISONS = 3;
const DIFFERENCES_SHOWN = 10;

const out = new Console();

async function main(): Promise<void> {
  const once = isOnce(process.argv.slice(2));
  const config = await configOrExit();
  out.line(out.style('bold', "Meterline, with a simulated organization's cost and usage"));
  try {
    const stack = await startStack({
      kind: 'demo',
      config,
      env: process.env,
      dataDir: dataDirOf(config),
      console: out,
    });
    const matched = await show(stack, simulatorOf(stack), once);
    if (once) {
      await stack.stop();
      process.exit(matched ? 0 : 1);
    }
  } catch (error) {
    out.error(`\n${messageOf(error)}`);
    process.exit(1);
  }
}

function isOnce(args: readonly string[]): boolean {
  const [first, ...rest] = args;
  if (rest.length === 0 && (first === undefined || first === '--once')) return first === '--once';
  out.error(USAGE);
  process.exit(2);
}

async function configOrExit(): Promise<Config> {
  try {
    return await loadStackConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    out.error(error.message);
    process.exit(2);
  }
}

/** Beside the real data and not among it, unless a directory was named for the demo. */
function dataDirOf(config: Config): string {
  return (process.env['METERLINE_DATA_DIR'] ?? '') === '' ? join(config.dataDir, 'demo') : config.dataDir;
}

function simulatorOf(stack: Stack): SimulatorListening {
  if (stack.simulator === null) throw new Error('The demo has no simulator.');
  return stack.simulator;
}

/** Connects, reads, prints and compares. True when every line matched. */
async function show(stack: Stack, simulator: SimulatorListening, once: boolean): Promise<boolean> {
  const api = new JsonClient(stack.apiUrl, stack.token.value);
  const sample = new Sample(api, out);
  const connected = await out.step(
    'Connection',
    () => sample.connect(simulator),
    ({ isNew }) =>
      isNew ? simulator.organization.name : `${simulator.organization.name}, connected by an earlier run`,
  );
  const connection = await out.step(
    'Sync',
    () => (connected.isNew ? sample.arrival(connected.id) : sample.sync(connected.id)),
    ({ backfill }) => `${backfill.days_done} of ${backfill.days_total} days`,
  );
  const check = await compare(stack, simulator, sample, connection.id);
  await printCosts(api, connection.id);
  const matched = printVerdict(check);
  out.line();
  printAddresses(stack, connection);
  await printGuide(out, stack);
  if (!once) out.line(out.style('dim', '\n  Ctrl-C stops everything.'));
  return matched;
}

async function compare(
  stack: Stack,
  simulator: SimulatorListening,
  sample: Sample,
  connectionId: string,
): Promise<LedgerCheck> {
  const options = (): CheckOptions => ({
    api: new JsonClient(stack.apiUrl, stack.token.value),
    simulator: new JsonClient(simulator.url),
    connectionId,
    ...lastDays(),
  });
  for (let comparison = 1; ; comparison += 1) {
    const check = await checkLedger(options());
    const today = dayOf(Date.now());
    const onlyToday = check.differences.every(({ day }) => day === today);
    if (check.differences.length === 0 || !onlyToday || comparison === COMPARISONS) return check;
    await sample.sync(connectionId);
  }
}

/** The last 31 days, today included. */
function lastDays(): { from: string; to: string } {
  const to = dayOf(Date.now());
  return { from: addDays(to, -30), to };
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

async function printCosts(api: JsonClient, connectionId: string): Promise<void> {
  const range = { connection_id: connectionId, ...lastDays() };
  const tables = [
    { title: 'By workspace', group: 'workspace' },
    { title: 'By model', group: 'model' },
  ];
  for (const { title, group } of tables) {
    const { data, total } = await api.get('/v1/costs', { ...range, group_by: group, limit: '10000' }, costs);
    const rows = data.map(({ workspace, model, amount }) => ({
      name: workspace?.name ?? model ?? 'not of a model',
      amount,
    }));
    out.line();
    for (const line of amountTable(title, rows, total)) out.line(`  ${line}`);
  }
  out.line();
}

function printVerdict({ costLines, usageLines, days, total, differences }: LedgerCheck): boolean {
  const number = (value: number): string => withSeparators(String(value));
  if (differences.length === 0) {
    const lines = `${number(costLines)} cost lines and ${number(usageLines)} usage lines on ${days} days`;
    out.line(`  ${out.style('green', '✓')} Every line equals the ledger: ${lines}, total $${withSeparators(total)}`);
    return true;
  }
  out.line(`  ${out.style('red', '✗')} ${number(differences.length)} lines differ from the ledger:`);
  for (const { report, text } of differences.slice(0, DIFFERENCES_SHOWN)) out.line(`    ${report} ${text}`);
  return false;
}

function printAddresses(stack: Stack, connection: Connection): void {
  const { apiUrl, temporalUiUrl, dataDir, token } = stack;
  out.pairs([
    ['API', `${apiUrl}/v1`],
    ['Reference', `${apiUrl}/docs`],
    ...(temporalUiUrl === null ? [] : ([['Temporal UI', temporalUiUrl]] as const)),
    ...(connection.temporal.url === null ? [] : ([['Its workflow', connection.temporal.url]] as const)),
    ['Admin token', token.file === null ? 'from METERLINE_API_TOKEN' : `in ${token.file}`],
    ['Data, logs', `${dataDir}, ${join(dataDir, 'logs')}`],
  ]);
}

await main();
