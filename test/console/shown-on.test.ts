import { expect, test } from 'vitest';
import { shownOn } from '../../console/pages/chargeback/shown-on.ts';

type Connection = Parameters<typeof shownOn>[1][number];

function connection(name: string, from: string, more: Partial<Connection> = {}): Connection {
  const backfill = { from, to: '2026-11-30', days_done: 30, days_total: 30 };
  return { id: name, name, status: 'active', covered_from: from, backfill, ...more };
}

const beta = connection('beta', '2026-02-05');
const late = connection('late', '2026-11-01');
const ended = connection('ended', '2026-02-05', { status: 'disconnected' });
const purged = connection('purged', '2026-02-05', { status: 'disconnected', covered_from: null });

function namesOn(state: 'uncovered' | 'provisional', day: string, all: readonly Connection[]): [boolean, string[]] {
  const { lacking, shown } = shownOn({ day, state }, all);
  return [lacking, shown.map(({ name }) => name)];
}

test('of a day that some connections cover, those are shown that began later', () => {
  expect(namesOn('uncovered', '2026-07-01', [late, beta, ended, purged])).toEqual([true, ['late']]);
});

test('of a day that no connection covers, and of one that may change, all are shown that have any data', () => {
  expect(namesOn('uncovered', '2026-01-01', [late, beta, purged])).toEqual([false, ['late', 'beta']]);
  expect(namesOn('provisional', '2026-07-01', [late, beta, ended, purged])).toEqual([false, ['late', 'beta', 'ended']]);
});
