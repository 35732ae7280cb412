import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { SMTPServer } from 'smtp-server';
import { z } from 'zod';
import { addDays, dayOf } from '../domain/days.ts';
import { ACTIONS_GOAL, actionsOfDay, type PartOfDay } from './actions.ts';
import { connect } from './large.ts';
import { cpuOf, median, percentile, until } from './measure.ts';
import { SMALL, organizations } from './small.ts';
import { number, s, table } from './text.ts';
import { deploy, startUpstream, type Deployment, type Servers, type Upstream } from './world.ts';

const DAYS = 31;
const ADDRESSES = 50;
const THRESHOLDS = 20;
const MAILS = ADDRESSES * THRESHOLDS;
const SINGLE = 40;
/** How many organizations are connected when the mails leave beside syncs. */
const BESIDE = 100;
const AT_A_TIME = 10;
const LATENCY_MS = 100;
const LOOK_MS = 20;
const WITHIN_S = 900;
const GOALS = { mailsS: 60, startMs: 2_000 } as const;
const FROM = 'Meterline <meterline@example.com>';

/** How mails that were decided at once left. Starts are from the commit of the decision, in milliseconds. */
interface Burst {
  /** Seconds from the first decision until the server had the last mail. */
  readonly took: number;
  readonly starts: readonly number[];
  /** Mails that the server got more than once, or never. */
  readonly wrong: number;
  /** Processor seconds meanwhile, by process. */
  readonly cpu: Readonly<Record<'worker' | 'temporal' | 'postgres', number>>;
}

interface NoticesRun {
  readonly single: readonly number[];
  readonly alone: Burst;
  readonly beside: Burst;
}

/** Measures how soon and how fast notices leave as mails, and how many Actions of Temporal a quiet day takes. */
export async function noticesSection(servers: Servers, runs: number): Promise<string[]> {
  const day = await inMailWorld(servers, (world) => actionsOfDay(servers, world.deployment, world.connectionId));
  console.error(`notices: ${JSON.stringify(day)}`);
  const measured: NoticesRun[] = [];
  for (let run = 0; run < runs; run += 1) {
    measured.push(await inMailWorld(servers, async (world) => measureRun(servers, world)));
    console.error(`notices: ${JSON.stringify(measured.at(-1), summarized)}`);
  }
  return [
    '## Notices',
    '',
    `Mails to a server on the same machine. ${number(MAILS)} mails are those of a budget whose ${THRESHOLDS} thresholds tell at once, to ${ADDRESSES} addresses. A decision is the commit that writes a notice; a delivery starts when its activity takes it up. Medians of ${runs} runs; the 99th percentile is the worst of them. Processor time tells more than the clock where other programs use the machine, too.`,
    '',
    ...table(['what', 'measured', 'must'], rowsOf(measured)),
    '',
    ...daySection(day),
  ];
}

function summarized(key: string, value: unknown): unknown {
  if (key !== 'starts' && key !== 'single') return value;
  const starts = z.array(z.number()).parse(value);
  return { p50: percentile(starts, 0.5), p99: percentile(starts, 0.99) };
}

function rowsOf(runs: readonly NoticesRun[]): string[][] {
  const ms = (value: number): string => `${number(Math.round(value))} ms`;
  const middle = (starts: readonly number[][]): string => ms(median(starts.map((each) => percentile(each, 0.5))));
  const worst = (starts: readonly number[][]): string => ms(Math.max(...starts.map((each) => percentile(each, 0.99))));
  const single = runs.map((run) => [...run.single]);
  const burst = (name: 'alone' | 'beside', what: string): string[][] => {
    const starts = runs.map((run) => [...run[name].starts]);
    return [
      [what, s(median(runs.map((run) => run[name].took)), 1), s(GOALS.mailsS, 0)],
      ['… processor time of worker, Temporal and Postgres', cpuText(runs.map((run) => run[name].cpu)), ''],
      ['… mails that came twice or never', number(runs.reduce((sum, run) => sum + run[name].wrong, 0)), '0'],
      ['… from the decision to the start of the delivery, median', middle(starts), ''],
      ['… 99th percentile', worst(starts), ''],
    ];
  };
  return [
    ['one notice: from the decision to the start of its delivery, median', middle(single), ''],
    ['… 99th percentile', worst(single), ms(GOALS.startMs)],
    ...burst('alone', `${number(MAILS)} mails, decided at once: until all are sent`),
    ...burst('beside', `… beside the first syncs of ${BESIDE} organizations`),
  ];
}

function cpuText(used: readonly Burst['cpu'][]): string {
  return (['worker', 'temporal', 'postgres'] as const)
    .map((name) => s(median(used.map((cpu) => cpu[name])), 0))
    .join(', ');
}

function daySection(parts: readonly PartOfDay[]): string[] {
  const total = parts.reduce((sum, { actions }) => sum + actions, 0);
  return [
    `Actions of Temporal for a quiet day of a connection, by the metric \`action\` of Temporal's server, which counts as [Temporal Cloud does](https://docs.temporal.io/cloud/actions): each start, activity, recorded heartbeat, timer, signal and change of search attributes; a start of a child counts twice. Two are added for the start of the Schedule, as Temporal Cloud bills it. The connection's workflow begins anew once a day, and so it does here. The sync and the report are asked for by hand: what that takes is counted, too.`,
    '',
    ...table(
      ['what', 'Actions', 'must', 'which'],
      [
        ...parts.map(({ what, actions, types }) => [what, String(actions), '', types]),
        ['all of it', String(total), String(ACTIONS_GOAL), ''],
      ],
    ),
  ];
}

/** A deployment with a mail server of its own, a connection that was read, and channels. */
interface MailWorld {
  readonly deployment: Deployment;
  readonly upstream: Upstream;
  readonly connectionId: string;
  /** A channel with one address, which takes reports, and one with many. */
  readonly channels: Readonly<Record<'one' | 'many', string>>;
  readonly mails: Mails;
}

async function inMailWorld<T>(servers: Servers, work: (world: MailWorld) => Promise<T>): Promise<T> {
  const mails = await startMailServer();
  const upstream = await startUpstream(servers, [...SMALL, '--latency-ms', String(LATENCY_MS)]);
  const settings = { METERLINE_SMTP_URL: mails.url, METERLINE_MAIL_FROM: FROM };
  const deployment = await deploy(servers, upstream, [], settings);
  try {
    const { id } = await connect(deployment, upstream, DAYS);
    const channels = { one: await makeChannel(deployment, 1), many: await makeChannel(deployment, ADDRESSES) };
    return await work({ deployment, upstream, connectionId: id, channels, mails });
  } finally {
    await deployment.close();
    await upstream.close();
    await mails.close();
  }
}

const made = z.object({ id: z.string() });

async function makeChannel({ api }: Deployment, addresses: number): Promise<string> {
  const to = Array.from({ length: addresses }, (_, index) => `reader-${addresses}-${index}@example.com`);
  const kinds = addresses === 1 ? ['report'] : ['test'];
  const body = { name: `${addresses} addresses`, kind: 'email', to, subscriptions: { kinds } };
  return (await api.post('/v1/channels', body, made)).id;
}

async function measureRun(servers: Servers, world: MailWorld): Promise<NoticesRun> {
  const { deployment, upstream } = world;
  const single = await measureSingle(world);
  const alone = await measureBurst(servers, world, 'alone');
  const [, ...others] = await organizations(upstream, BESIDE + 1);
  const connecting = connectAll(deployment, others);
  const beside = await measureBurst(servers, world, 'beside');
  await connecting;
  return { single, alone, beside };
}

async function connectAll({ api }: Deployment, keys: string[]): Promise<void> {
  const connectNext = async (): Promise<void> => {
    for (let key = keys.pop(); key !== undefined; key = keys.pop()) {
      await api.post('/v1/connections', { name: 'Small', admin_api_key: key }, z.unknown());
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, connectNext));
}

/** Lets one notice after the other be decided, each once the one before was sent. */
async function measureSingle({ deployment, channels }: MailWorld): Promise<number[]> {
  const decisions = watchDecisions(deployment);
  for (let index = 0; index < SINGLE; index += 1) {
    await makeBudget(deployment, { name: `Single ${index}`, channel: channels.one, thresholds: 1 });
    await untilSent(deployment, index + 1);
  }
  return startsOf(deployment, await decisions.stop());
}

async function measureBurst(servers: Servers, world: MailWorld, name: string): Promise<Burst> {
  const { deployment, channels, mails } = world;
  const { sql, pids } = deployment;
  const cpu = (): Burst['cpu'] => ({ ...servers.cpu(), worker: cpuOf(pids.worker) });
  const cpuBefore = cpu();
  const [before] = await sql`select count(*)::int as n from deliveries`;
  const decisions = watchDecisions(deployment);
  await makeBudget(deployment, { name, channel: channels.many, thresholds: THRESHOLDS });
  await untilSent(deployment, z.number().parse(before?.['n']) + MAILS);
  const cpuAfter = cpu();
  const decided = await decisions.stop();
  const firstMs = Math.min(...decided.values());
  const ids = [...decided.keys()];
  return {
    took: (Math.max(...ids.map((id) => mails.lastAt(id))) - firstMs) / 1000,
    starts: await startsOf(deployment, decided),
    cpu: {
      worker: cpuAfter.worker - cpuBefore.worker,
      temporal: cpuAfter.temporal - cpuBefore.temporal,
      postgres: cpuAfter.postgres - cpuBefore.postgres,
    },
    wrong: ids.filter((id) => mails.count(id) !== 1).length + Math.abs(ids.length - MAILS),
  };
}

/** Makes a budget each of whose thresholds is reached already. */
async function makeBudget(
  { api }: Deployment,
  { name, channel, thresholds }: { name: string; channel: string; thresholds: number },
): Promise<void> {
  const today = dayOf(Date.now());
  const body = {
    name,
    period: { from: addDays(today, 1 - DAYS), to: today },
    amount: '1000000',
    thresholds: Array.from({ length: thresholds }, (_, index) => ({ of: 'actual', usd: `0.${index + 10}` })),
    channels: [channel],
  };
  await api.post('/v1/budgets', body, z.unknown());
}

async function untilSent({ sql }: Deployment, count: number): Promise<void> {
  const areSent = async (): Promise<boolean> => {
    const [found] = await sql`select count(*)::int as n from deliveries where state = 'sent'`;
    return found?.['n'] === count;
  };
  await until(`${count} mails are sent`, areSent, { everyMs: 100, withinS: WITHIN_S });
}

/** Notes when each delivery became visible to others, which is when its decision committed (ms since the epoch). */
function watchDecisions({ sql }: Deployment): { stop: () => Promise<ReadonlyMap<string, number>> } {
  const decided = new Map<string, number>();
  const rows = z.array(z.object({ id: z.string(), no: z.number() }));
  let isStopped = false;
  const watching = (async (): Promise<void> => {
    const [found] = await sql`select coalesce(max(no), 0)::int as no from deliveries`;
    let last = z.number().parse(found?.['no']);
    while (!isStopped) {
      const fresh = rows.parse(await sql`select id, no::int from deliveries where no > ${last} order by no`);
      const nowMs = Date.now();
      for (const { id, no } of fresh) {
        decided.set(id, nowMs);
        last = no;
      }
      await delay(LOOK_MS);
    }
  })();
  return {
    async stop() {
      isStopped = true;
      await watching;
      return decided;
    },
  };
}

/** The milliseconds from each decision until its delivery began. */
async function startsOf({ sql }: Deployment, decided: ReadonlyMap<string, number>): Promise<number[]> {
  const rows = z.array(z.object({ id: z.string(), begun: z.number() }));
  const found = await sql`select id, (extract(epoch from begun_at) * 1000)::float8 as begun from deliveries`;
  return rows.parse(found).flatMap(({ id, begun }) => {
    const atMs = decided.get(id);
    // Whoever looks every few milliseconds may see the start first.
    return atMs === undefined ? [] : [Math.max(0, begun - atMs)];
  });
}

/** A mail server that counts what it takes, by delivery. */
interface Mails {
  readonly url: string;
  count(deliveryId: string): number;
  /** When it took the last mail of a delivery, in milliseconds since the epoch. */
  lastAt(deliveryId: string): number;
  close(): Promise<void>;
}

async function startMailServer(): Promise<Mails> {
  const taken = new Map<string, number[]>();
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    closeTimeout: 100,
    onData(stream, _session, callback) {
      const pieces: Buffer[] = [];
      stream.on('data', (piece: Buffer) => pieces.push(piece));
      stream.on('end', () => {
        const [, id = ''] = /^Message-ID: <([^@>]+)@/im.exec(Buffer.concat(pieces).toString()) ?? [];
        taken.set(id, [...(taken.get(id) ?? []), Date.now()]);
        callback(null, 'Taken');
      });
    },
  });
  server.on('error', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  const address = server.server.address();
  if (address === null || typeof address === 'string') throw new Error('the mail server has no port');
  return {
    url: `smtp://127.0.0.1:${address.port}`,
    count: (id) => taken.get(id)?.length ?? 0,
    lastAt: (id) => taken.get(id)?.at(-1) ?? Number.NaN,
    close: () =>
      new Promise((done) => {
        server.close(() => {
          done();
        });
      }),
  };
}
