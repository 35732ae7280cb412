import { pino } from 'pino';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { createApp } from '../../api/app.ts';
import { forecastingHere } from '../../forecasting/forecasting.ts';
import { closeServer, createHttpServer, listen } from '../../api/http/server.ts';
import { loadTemporalSettings } from '../../config/temporal.ts';
import { openTemporal, type OpenedTemporal } from '../../api/temporal.ts';
import { addDays, dayOf } from '../../domain/days.ts';
import { addDecimals, toDecimal } from '../../domain/money.ts';
import { until } from '../support/wait.ts';
import { createWorld, type World } from '../support/world.ts';
import { ADMIN_TOKEN, type Body } from './support.ts';

let world: World;
let temporal: OpenedTemporal;
let server: ReturnType<typeof createHttpServer>;
let url: string;

beforeAll(async () => {
  world = await createWorld({ timeSkipping: false });
  temporal = openTemporal({
    temporal: loadTemporalSettings({ TEMPORAL_ADDRESS: inject('temporalAddress') }),
    taskQueue: world.taskQueue,
  });
  server = createHttpServer(
    createApp({
      db: world.database.db,
      ring: world.ring,
      temporal,

      forecasting: forecastingHere(),
      log: pino({ level: 'silent' }),
      config: { apiToken: ADMIN_TOKEN, syncHourUtc: 6, temporalNamespace: temporal.namespace, temporalUiUrl: null },
      waitMs: 20_000,
    }),
  );
  url = await listen(server, '127.0.0.1', 0);
});
afterAll(async () => {
  await closeServer(server);
  await temporal.close();
  await world.close();
});

async function call(method: string, path: string, body?: unknown): Promise<{ status: number; body: Body }> {
  const response = await fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Body };
}

it('a connection made over HTTP is read, paused, resumed, rotated and ended by a real worker', async () => {
  const wrong = { name: 'Wrong', admin_api_key: 'sk-ant-admin01-nobody-knows-this-key-0000' };
  const refused = await call('POST', '/v1/connections', wrong);
  expect([refused.status, refused.body.code]).toEqual([422, 'key_invalid']);
  expect((await call('GET', `/v1/connections/${refused.body.connection_id}`)).body.status).toBe('refused');

  const made = await call('POST', '/v1/connections', { name: 'Sample', admin_api_key: world.key, backfill_days: 10 });
  expect(made.status).toBe(201);
  const path = `/v1/connections/${made.body.id}`;
  await until('it is active', async () => (await call('GET', path)).body.status === 'active', 60_000);

  const again = await call('POST', '/v1/connections', { name: 'Again', admin_api_key: world.key });
  expect([again.status, again.body.code, again.body.connection_id]).toEqual([409, 'already_connected', made.body.id]);

  // Today grows while it is looked at.
  const [from, to] = [addDays(dayOf(Date.now()), -9), addDays(dayOf(Date.now()), -1)];
  const { body: costs } = await call('GET', `/v1/costs?connection_id=${made.body.id}&from=${from}&to=${to}`);
  const ledger = world.simulator.control.ledger({ report: 'cost', from, to });
  const amounts = ledger.flatMap((line) => ('amount_usd' in line ? [toDecimal(line.amount_usd)] : []));
  expect(amounts.length).toBeGreaterThan(0);
  expect(costs).toMatchObject({ total: addDecimals(amounts), missing_days: 0 });

  expect((await call('POST', `${path}/pause`)).status).toBe(200);
  expect((await call('POST', `${path}/resume`)).status).toBe(200);
  const rotated = await call('POST', `${path}/rotate-key`, { admin_api_key: wrong.admin_api_key });
  expect([rotated.status, rotated.body.code]).toEqual([422, 'key_invalid']);
  expect((await call('POST', `${path}/rotate-key`, { admin_api_key: world.key })).status).toBe(200);
  const ended = await call('DELETE', `${path}?purge=true`);
  expect(ended.body).toMatchObject({ status: 'disconnected', key: null });
  expect(ended.status).toBe(200);
  expect((await call('GET', `/v1/costs?connection_id=${made.body.id}`)).body.total).toBe('0');
});
