import express from 'express';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { credentialsOf } from '../../api/http/credentials.ts';
import { endpoint, type Deps } from '../../api/http/endpoint.ts';
import { health } from '../../api/health/schemas.ts';
import { nothing } from '../../api/http/schemas.ts';
import { Exports } from '../../api/http/exports.ts';
import { ALLOW_NOTHING } from '../../domain/notices/allow-list.ts';
import { forecastingHere } from '../../forecasting/forecasting.ts';
import { Turns } from '../../api/http/turns.ts';
import { waitFor } from '../../api/http/wait.ts';
import { ADMIN_TOKEN, FakeTemporal, NOW, ring } from './support.ts';

it('returns at once if the result is there already', async () => {
  const began = Date.now();
  expect(await waitFor(() => Promise.resolve('here'), { timeoutMs: 60_000, isOver: () => false })).toBe('here');
  expect(Date.now() - began).toBeLessThan(1_000);
});

it('looks again until there is a result', async () => {
  let looks = 0;
  const look = (): Promise<number | null> => Promise.resolve((looks += 1) < 4 ? null : looks);
  expect(await waitFor(look, { timeoutMs: 60_000, isOver: () => false })).toBe(4);
});

it('gives up when the time is over, after a last look', async () => {
  const looks: number[] = [];
  const began = Date.now();
  const look = (): Promise<null> => {
    looks.push(Date.now() - began);
    return Promise.resolve(null);
  };
  expect(await waitFor(look, { timeoutMs: 200, isOver: () => false })).toBeNull();
  expect(looks.at(-1)).toBeGreaterThanOrEqual(195);
});

it('gives up once nobody waits', async () => {
  let looks = 0;
  const look = (): Promise<null> => {
    looks += 1;
    return Promise.resolve(null);
  };
  expect(await waitFor(look, { timeoutMs: 60_000, isOver: () => looks === 3 })).toBeNull();
  expect(looks).toBe(3);
});

it('throws the error of a look', async () => {
  const look = (): Promise<null> => Promise.reject(new Error('broken'));
  await expect(waitFor(look, { timeoutMs: 60_000, isOver: () => false })).rejects.toThrow('broken');
});

it('ends when the client of the handler is gone', async () => {
  const client = new AbortController();
  let settle: () => void;
  const ended = new Promise<void>((resolve) => (settle = resolve));
  const slow = endpoint({
    method: 'get',
    path: '/slow',
    operation: 'test',
    tag: 'Test',
    summary: 'Waits until its client goes away',
    query: nothing,
    body: nothing,
    out: health,
    statuses: { 200: 'ok' },
    problems: [],
    handle: async (call) => {
      client.abort();
      await call.waitFor(() => Promise.resolve(null));
      settle();
      return { status: 200, body: { status: 'ok' as const } };
    },
  });
  // No query is made here.
  const db = Object.create(null) as Deps['db'];
  const deps: Deps = {
    db,
    ring,
    temporal: new FakeTemporal(),
    log: pino({ level: 'silent' }),
    turns: new Turns(1),
    exports: new Exports(db, db),
    forecasting: forecastingHere(),
    credentials: credentialsOf(db, ring, ADMIN_TOKEN),
    notifyAllow: ALLOW_NOTHING,
    publicUrl: () => 'http://127.0.0.1:8080',
    settings: {
      syncHourUtc: 6,
      temporalUiUrl: null,
      temporalNamespace: 'default',
      // Longer than a test may take.
      waitMs: 600_000,
      now: () => NOW,
      droppedLogLines: () => 0,
      stopping: new AbortController().signal,
    },
  };
  const server = createServer(express().get(slow.path, slow.handler(deps))).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await expect(fetch(`http://127.0.0.1:${port}/slow`, { signal: client.signal })).rejects.toThrow();
  await ended;
  server.close();
});
