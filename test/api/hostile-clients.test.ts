import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { sql } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { createToken } from '../../db/tokens/tokens.ts';
import { CREATOR } from '../db/support.ts';
import { until } from '../support/wait.ts';
import { apiProcesses, type ApiProcess, type ApiProcesses } from './process.ts';
import { ADMIN_TOKEN, TODAY, seedConnection, seedDay } from './support.ts';

const LINES = 2_500;
const MB = 1024 * 1024;
/** An API that does nothing takes some 130 MB. Without bounds these clients take it to several gigabytes. */
const MOST_MB = 700;
/** For two requests of somebody else, on a busy machine. */
const PATIENCE_MS = 10_000;
const SOCKETS = 30;
const CONNECTED_AGAIN_MS = 250;

let processes: ApiProcesses;
let friend: string;
const path = `/v1/costs?from=${TODAY}&to=${TODAY}&group_by=description&limit=10000`;

beforeAll(async () => {
  processes = await apiProcesses();
  const { db } = processes.database;
  const id = await seedConnection(db, {});
  const dayNo = await seedDay(db, id, 'cost', TODAY, { lines: LINES, total: String(LINES) });
  await db.execute(sql`
    with series as (
      insert into cost_series (connection_id, series_id, unit_id, description, currency)
      select ${id}, gen_random_uuid(), gen_random_uuid(), repeat(md5(n::text), 20), 'USD' from generate_series(1, ${LINES}::int) as n
      returning series_no
    )
    insert into cost_lines (day_no, series_no, amount) select ${dayNo}, series_no, 1 from series
  `);
  friend = (await createToken(db, { name: 'friend', role: 'viewer', creator: CREATOR })).token;
});
afterAll(() => processes.close());

const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  processes.kill();
});

/** The memory of a process. A bare Linux has no `ps`, and other systems have no /proc. */
function memoryMb({ child }: ApiProcess): number {
  const status = `/proc/${child.pid}/status`;
  const kilobytes = existsSync(status)
    ? /^VmRSS:\s+(\d+)/m.exec(readFileSync(status, 'utf8'))?.[1]
    : execFileSync('ps', ['-o', 'rss=', '-p', String(child.pid)], { encoding: 'utf8' });
  return Number(kilobytes) / 1024;
}

/** Asks over and over on one connection, reads nothing, and connects again when it is cut off. */
function ask(address: string, text: string): void {
  const { hostname, port } = new URL(address);
  const socket = connect(Number(port), hostname, () => socket.write(text));
  socket.on('error', () => undefined).pause();
  sockets.push(socket);
  socket.once('close', () => {
    setTimeout(() => {
      if (sockets.includes(socket)) ask(address, text);
    }, CONNECTED_AGAIN_MS);
  });
}

async function served({ address }: ApiProcess): Promise<number> {
  const before = performance.now();
  const headers = { authorization: `Bearer ${friend}` };
  const init = { headers, signal: AbortSignal.timeout(PATIENCE_MS) };
  for (const asked of ['/healthz', '/v1/connections']) expect((await fetch(address + asked, init)).status).toBe(200);
  return performance.now() - before;
}

it.each([
  ['a few requests for large replies on each connection', path, ADMIN_TOKEN, 20],
  ['hundreds of requests on each connection', path, ADMIN_TOKEN, 500],
  ['hundreds of requests for the documentation, without a token', '/openapi.json', null, 500],
  ['hundreds of requests for a large file, without a token', '/docs/swagger-ui-bundle.js', null, 500],
])(
  '%s, whose replies nobody reads, leave memory for the other clients, who are answered',
  async (_what, asked, token, count) => {
    const api = await processes.start('ignore');
    const reply = await fetch(api.address + asked, { headers: { authorization: `Bearer ${token ?? ''}` } });
    expect((await reply.arrayBuffer()).byteLength).toBeGreaterThan(asked === path ? MB : 1);
    const authorization = token === null ? '' : `Authorization: Bearer ${token}\r\n`;
    const request = `GET ${asked} HTTP/1.1\r\nHost: x\r\n${authorization}\r\n`;
    for (let index = 0; index < SOCKETS; index += 1) ask(api.address, request.repeat(count));
    const end = Date.now() + 8_000;
    let [most, slowestMs] = [0, 0];
    await until('the time to be over', async () => {
      slowestMs = Math.max(slowestMs, await served(api));
      most = Math.max(most, memoryMb(api));
      return Date.now() > end;
    });
    expect(most).toBeLessThan(MOST_MB);
    expect(slowestMs).toBeLessThan(PATIENCE_MS);
    expect(api.child.exitCode).toBeNull();
  },
);
