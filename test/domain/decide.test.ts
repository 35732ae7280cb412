import { describe, expect, it } from 'vitest';
import { statusByProgress, type Facts } from '../../domain/connection/facts.ts';
import { backoffMs, lastDueMs, nextDueMs } from '../../domain/connection/schedule.ts';
import { addDays, type Day } from '../../domain/days.ts';
import {
  ID,
  KEY,
  OTHER_KEY,
  NOW,
  TODAY,
  BEGAN,
  active,
  fresh,
  failed,
  next,
  candidate,
  NOT_PROBED,
} from './connection.ts';

describe('a new connection', () => {
  it('tries its first key, reads the workspaces, backfills, and is active', () => {
    expect(next(fresh)).toEqual({ do: 'tryKey', keyId: KEY });
    const accepted: Facts = { ...fresh, activeKeyId: KEY, candidates: [] };
    expect(next(accepted)).toEqual({ do: 'setStatus', to: 'discovering' });
    expect(next({ ...accepted, status: 'discovering' })).toEqual({ do: 'discoverWorkspaces' });
    const discovered: Facts = { ...accepted, status: 'discovering', discovered: true };
    expect(next(discovered)).toEqual({ do: 'setStatus', to: 'backfilling' });
    expect(next({ ...discovered, status: 'backfilling' })).toEqual({
      do: 'startSync',
      plan: { kind: 'backfill', from: BEGAN, to: TODAY, everyDay: false },
    });
    expect(next({ ...active, status: 'backfilling' })).toEqual({ do: 'setStatus', to: 'active' });
  });

  it('is refused once no key is left to try', () => {
    expect(next({ ...fresh, candidates: [] })).toEqual({ do: 'setStatus', to: 'refused' });
    const unasked = { ...candidate, requested: false };
    expect(next({ ...fresh, candidates: [unasked] })).toEqual({ do: 'setStatus', to: 'refused' });
  });

  it('waits with its key while Anthropic does not answer, and is not refused', () => {
    const tried = { ...candidate, tries: 3, triedAtMs: NOW };
    expect(next({ ...fresh, candidates: [tried] })).toEqual({ do: 'wait', untilMs: NOW + backoffMs(3) });
    expect(next({ ...fresh, candidates: [tried] }, [], false, NOW + backoffMs(3))).toMatchObject({ do: 'tryKey' });
  });

  it('continues its backfill at the first missing day, or at an earlier one that was not compared with its total', () => {
    const half: Facts = { ...active, status: 'backfilling', oldestMissing: addDays(BEGAN, 10), syncedAtMs: null };
    expect(next(half)).toMatchObject({ plan: { kind: 'backfill', from: addDays(BEGAN, 10), to: TODAY } });
    const failed: Facts = { ...half, oldestUnconfirmed: addDays(BEGAN, 8) };
    expect(next(failed)).toMatchObject({ plan: { kind: 'backfill', from: addDays(BEGAN, 8) } });
    expect(next({ ...failed, oldestUnconfirmed: addDays(BEGAN, 12) })).toMatchObject({
      plan: { from: addDays(BEGAN, 10) },
    });
  });
});

describe('history that was extended', () => {
  const began = addDays(TODAY, -119);
  const extended: Facts = { ...active, began, oldestMissing: began, newestMissing: addDays(TODAY, -31) };

  it('backfills again, and reads the added days only', () => {
    expect(next(extended)).toEqual({ do: 'setStatus', to: 'backfilling' });
    const plan = { kind: 'backfill', from: began, to: addDays(TODAY, -31), everyDay: false };
    expect(next({ ...extended, status: 'backfilling' })).toEqual({ do: 'startSync', plan });
    expect(next({ ...extended, status: 'backfilling' }, [], true)).toEqual({ do: 'wait', untilMs: null });
  });

  it('within the daily window is read together with the days after it', () => {
    const short: Facts = { ...extended, status: 'backfilling', newestMissing: addDays(TODAY, -30) };
    expect(next(short)).toMatchObject({ plan: { kind: 'backfill', from: began, to: TODAY } });
  });

  it('waits during a pause and while the key is rejected, and is read afterwards', () => {
    expect(next({ ...extended, status: 'paused' })).toEqual({ do: 'wait', untilMs: null });
    expect(next({ ...extended, status: 'paused' }, [{ type: 'resume' }])).toEqual({
      do: 'setStatus',
      to: 'backfilling',
    });
    const awaiting = failed('key_invalid', {
      ...extended,
      status: 'awaiting_key',
      failure: failed('key_invalid').failure,
    });
    expect(next(awaiting)).toMatchObject({ do: 'wait' });
    expect(statusByProgress(extended)).toBe('backfilling');
  });
});
describe('the daily rhythm', () => {
  it('waits until the same UTC time the next day', () => {
    expect(next(active)).toEqual({ do: 'wait', untilMs: nextDueMs(ID, 6, NOW) });
  });

  it('reads the last 31 days when it is due', () => {
    const due = lastDueMs(ID, 6, NOW);
    expect(next({ ...active, syncedAtMs: due - 1 })).toEqual({
      do: 'startSync',
      plan: { kind: 'daily', from: BEGAN, to: TODAY, everyDay: false },
    });
    expect(next({ ...active, syncedAtMs: due })).toMatchObject({ do: 'wait' });
  });

  it('reaches back to the first month that may still be closed, but never further than a year', () => {
    const old = { ...active, began: addDays(TODAY, -900), backfillTo: addDays(TODAY, -870), syncedAtMs: null };
    const fromOf = (openSince: Facts['openSince']): unknown => next({ ...old, openSince });
    const daily = (from: Day): object => ({ plan: { kind: 'daily', from, to: TODAY } });
    expect(fromOf(null)).toMatchObject(daily(addDays(TODAY, -30)));
    expect(fromOf(addDays(TODAY, -10))).toMatchObject(daily(addDays(TODAY, -30)));
    expect(fromOf(addDays(TODAY, -45))).toMatchObject(daily(addDays(TODAY, -45)));
    expect(fromOf(addDays(TODAY, -800))).toMatchObject(daily(addDays(TODAY, -364)));
    const young = { ...old, began: addDays(TODAY, -40), backfillTo: addDays(TODAY, -10) };
    expect(next({ ...young, openSince: addDays(TODAY, -45) })).toMatchObject(daily(addDays(TODAY, -40)));
  });

  it('after weeks of downtime reads the days before the daily window first', () => {
    const began = addDays(TODAY, -100);
    const down: Facts = {
      ...active,
      began,
      backfillTo: addDays(began, 30),
      oldestMissing: addDays(TODAY, -59),
      oldestUnfinished: addDays(TODAY, -60),
      syncedAtMs: 0,
    };
    expect(next(down)).toMatchObject({
      plan: { kind: 'catch_up', from: addDays(TODAY, -60), to: addDays(TODAY, -31) },
    });
    expect(next({ ...down, oldestUnfinished: null })).toMatchObject({ plan: { kind: 'daily' } });
  });

  it('after failures reads the old days and the recent days in turn, so that neither holds up the other', () => {
    const behind: Facts = {
      ...active,
      status: 'degraded',
      oldestUnfinished: addDays(TODAY, -60),
      syncedAtMs: NOW - 86_400_000,
    };
    const failure = { code: 'upstream_invalid', keyId: null, atMs: NOW - 3_600_000, count: 3, ...NOT_PROBED } as const;
    const again = { ...failure, count: 4 };
    expect(next({ ...behind, failure })).toMatchObject({ plan: { kind: 'catch_up' } });
    expect(next({ ...behind, failure: again })).toMatchObject({ plan: { kind: 'daily' } });
    expect(next({ ...behind, failure: again, syncedAtMs: NOW })).toMatchObject({ plan: { kind: 'catch_up' } });
    // Days that somebody named have their turn, too.
    const asked: Facts = { ...behind, requestedDays: { from: TODAY, to: TODAY } };
    const kinds = [1, 2, 3, 4].map((count) => next({ ...asked, failure: { ...failure, count } }));
    expect(kinds).toMatchObject(['catch_up', 'manual', 'daily', 'catch_up'].map((kind) => ({ plan: { kind } })));
    const first: Facts = { ...behind, oldestMissing: addDays(TODAY, -30), syncedAtMs: null };
    expect(next({ ...first, failure })).toMatchObject({ plan: { kind: 'backfill' } });
    expect(next({ ...first, failure: again })).toMatchObject({ plan: { kind: 'daily' } });
  });
});

describe('while paused', () => {
  it('a candidate without an answer is tried again, and nothing is read', () => {
    const waiting = { ...candidate, tries: 1, triedAtMs: NOW };
    const paused: Facts = { ...active, status: 'paused', candidates: [waiting] };
    expect(next(paused)).toEqual({ do: 'wait', untilMs: NOW + backoffMs(1) });
    expect(next(paused, [], false, NOW + backoffMs(1))).toEqual({ do: 'tryKey', keyId: OTHER_KEY });
  });
});
describe('a request for a sync that failed', () => {
  const requested: Facts = {
    ...failed('upstream_unavailable'),
    status: 'degraded',
    lastSyncFailed: true,
    recentDaysRequested: true,
  };
  const recent = { from: BEGAN, to: TODAY, everyDay: false };

  it('stays manual when it is tried again, even if the daily sync is due by then', () => {
    const later = NOW + 60_000;
    expect(next(requested, [], false, later)).toEqual({ do: 'startSync', plan: { kind: 'manual', ...recent } });
    expect(next({ ...requested, syncedAtMs: null }, [], false, later)).toMatchObject({ plan: { kind: 'manual' } });
    expect(next({ ...requested, recentDaysRequested: false }, [], false, later)).toMatchObject({
      plan: { kind: 'daily' },
    });
  });

  it('is tried again even after another sync cleared its failure', () => {
    expect(next({ ...active, recentDaysRequested: true })).toEqual({
      do: 'startSync',
      plan: { kind: 'manual', ...recent },
    });
  });
});

describe('a wait that Anthropic asked for', () => {
  it('replaces a shorter backoff, up to a minute', () => {
    const after = (retryAfterMs: number): unknown => {
      const facts = failed('upstream_unavailable', { status: 'degraded' });
      const failure = facts.failure === null ? null : { ...facts.failure, retryAfterMs };
      return next({ ...facts, failure });
    };
    expect(after(50_000)).toEqual({ do: 'wait', untilMs: NOW + 50_000 });
    expect(after(1_000)).toEqual({ do: 'wait', untilMs: NOW + backoffMs(1) });
    expect(after(86_400_000)).toEqual({ do: 'wait', untilMs: NOW + 60_000 });
  });

  it('holds for a candidate without an answer, too', () => {
    const waits = {
      ...candidate,
      tries: 1,
      triedAtMs: NOW,
      failure: { code: 'rate_limited', retryAfterMs: 40_000 },
    } as const;
    expect(next({ ...fresh, candidates: [waits] })).toEqual({ do: 'wait', untilMs: NOW + 40_000 });
  });
});
