import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addDays, dayOf, type Day } from '../../domain/days.ts';
import { afterFailedProbe } from '../../domain/connection/answer.ts';
import { decide } from '../../domain/connection/decide.ts';
import { statusByProgress, type CandidateFacts, type FailureFacts, type Facts } from '../../domain/connection/facts.ts';
import type { Message } from '../../domain/connection/messages.ts';
import { backoffMs, lastDueMs, nextDueMs } from '../../domain/connection/schedule.ts';
import { z } from 'zod';
import { STATUSES, isLive, mayFollow } from '../../domain/connection/statuses.ts';

const ID = '00000000-0000-4000-8000-000000000001';
const KEY = '00000000-0000-4000-8000-00000000000a';
const OTHER_KEY = '00000000-0000-4000-8000-00000000000b';
const NOW = Date.parse('2026-11-20T12:00:00Z');
const TODAY = dayOf(NOW);
const BEGAN = addDays(TODAY, -30);

/** A connection in good order, synced a minute ago. */
const active: Facts = {
  connectionId: ID,
  status: 'active',
  syncHourUtc: 6,
  began: BEGAN,
  backfillTo: TODAY,
  discovered: true,
  activeKeyId: KEY,
  hasSupersededKey: false,
  candidates: [],
  oldestMissing: null,
  newestMissing: null,
  oldestUnfinished: null,
  lastSyncFailed: false,
  requestedDays: null,
  recentDaysRequested: false,
  syncedAtMs: NOW - 60_000,
  failure: null,
  hasFutureDays: false,
};
const UNASKED = { probedAtMs: null, answeredAtMs: null, rejectedAtMs: null } as const;
const CONFIRMED = { probedAtMs: NOW, answeredAtMs: NOW, rejectedAtMs: NOW } as const;
const candidate: CandidateFacts = { keyId: OTHER_KEY, requested: true, tries: 0, triedAtMs: null };
const fresh: Facts = {
  ...active,
  status: 'validating',
  discovered: false,
  activeKeyId: null,
  candidates: [{ ...candidate, keyId: KEY }],
  oldestMissing: BEGAN,
  newestMissing: TODAY,
  syncedAtMs: null,
};
/** A failure; one of the key was asked about again, and is confirmed. */
const failed = (code: 'key_invalid' | 'upstream_unavailable', more: Partial<Facts> = {}): Facts => ({
  ...active,
  failure:
    code === 'key_invalid'
      ? { code, keyId: KEY, atMs: NOW, count: 1, ...CONFIRMED }
      : { code, keyId: null, atMs: NOW, count: 1, ...UNASKED },
  ...more,
});
/** A failure of the key that nothing was asked about yet, or of which Anthropic said otherwise since. */
const doubted = (status: Facts['status'], more: Partial<FailureFacts> = {}): Facts => ({
  ...active,
  status,
  failure: { code: 'key_invalid', keyId: KEY, atMs: NOW, count: 1, ...UNASKED, ...more },
});
const next = (facts: Facts | null, inbox: Message[] = [], running = false, now = NOW): unknown =>
  decide(facts, inbox, { syncRunning: running, nowMs: now }).step;

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

  it('is refused once no key is left that could be tried', () => {
    expect(next({ ...fresh, candidates: [] })).toEqual({ do: 'setStatus', to: 'refused' });
    const unasked = { ...candidate, requested: false };
    expect(next({ ...fresh, candidates: [unasked] })).toEqual({ do: 'setStatus', to: 'refused' });
  });

  it('waits with its key while Anthropic does not answer, and is not refused', () => {
    const tried = { ...candidate, tries: 3, triedAtMs: NOW };
    expect(next({ ...fresh, candidates: [tried] })).toEqual({ do: 'wait', untilMs: NOW + backoffMs(3) });
    expect(next({ ...fresh, candidates: [tried] }, [], false, NOW + backoffMs(3))).toMatchObject({ do: 'tryKey' });
  });

  it('goes on with a backfill at the first day that is missing', () => {
    const half: Facts = { ...active, status: 'backfilling', oldestMissing: addDays(BEGAN, 10), syncedAtMs: null };
    expect(next(half)).toMatchObject({ plan: { kind: 'backfill', from: addDays(BEGAN, 10), to: TODAY } });
  });
});

describe('history that was extended', () => {
  const began = addDays(TODAY, -119);
  const extended: Facts = { ...active, began, oldestMissing: began, newestMissing: addDays(TODAY, -31) };

  it('is a backfill again, of the days that are missing and not of those after them', () => {
    expect(next(extended)).toEqual({ do: 'setStatus', to: 'backfilling' });
    const plan = { kind: 'backfill', from: began, to: addDays(TODAY, -31), everyDay: false };
    expect(next({ ...extended, status: 'backfilling' })).toEqual({ do: 'startSync', plan });
    expect(next({ ...extended, status: 'backfilling' }, [], true)).toEqual({ do: 'wait', untilMs: null });
  });

  it('within the days of a daily sync is read with these', () => {
    const short: Facts = { ...extended, status: 'backfilling', newestMissing: addDays(TODAY, -30) };
    expect(next(short)).toMatchObject({ plan: { kind: 'backfill', from: began, to: TODAY } });
  });

  it('waits while the connection is paused, or has no key that is taken, and is read afterwards', () => {
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

  it('after weeks of downtime first reads what is older than the daily window', () => {
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

  it('after failures reads the old days and the new ones in turn, so that neither holds up the other', () => {
    const behind: Facts = {
      ...active,
      status: 'degraded',
      oldestUnfinished: addDays(TODAY, -60),
      syncedAtMs: NOW - 86_400_000,
    };
    const failure = { code: 'upstream_invalid', keyId: null, atMs: NOW - 3_600_000, count: 3, ...UNASKED } as const;
    const again = { ...failure, count: 4 };
    expect(next({ ...behind, failure })).toMatchObject({ plan: { kind: 'catch_up' } });
    expect(next({ ...behind, failure: again })).toMatchObject({ plan: { kind: 'daily' } });
    expect(next({ ...behind, failure: again, syncedAtMs: NOW })).toMatchObject({ plan: { kind: 'catch_up' } });
    // Also days that somebody asked for have their turn.
    const asked: Facts = { ...behind, requestedDays: { from: TODAY, to: TODAY } };
    const kinds = [1, 2, 3, 4].map((count) => next({ ...asked, failure: { ...failure, count } }));
    expect(kinds).toMatchObject(['catch_up', 'manual', 'daily', 'catch_up'].map((kind) => ({ plan: { kind } })));
    const first: Facts = { ...behind, oldestMissing: addDays(TODAY, -30), syncedAtMs: null };
    expect(next({ ...first, failure })).toMatchObject({ plan: { kind: 'backfill' } });
    expect(next({ ...first, failure: again })).toMatchObject({ plan: { kind: 'daily' } });
  });

  it('never starts a sync while one runs', () => {
    fc.assert(
      fc.property(anyFacts, fc.array(anyMessage, { maxLength: 3 }), (facts, inbox) => {
        expect(decide(facts, inbox, { syncRunning: true, nowMs: NOW }).step.do).not.toBe('startSync');
      }),
    );
  });
});

describe('after a failure', () => {
  it('is degraded, and tries again with a backoff', () => {
    expect(next(failed('upstream_unavailable'))).toEqual({ do: 'setStatus', to: 'degraded' });
    const degraded = failed('upstream_unavailable', { status: 'degraded' });
    expect(next(degraded)).toEqual({ do: 'wait', untilMs: NOW + backoffMs(1) });
    expect(next(degraded, [], false, NOW + backoffMs(1))).toMatchObject({ do: 'startSync' });
  });

  it('asks about a key that worked before it believes one rejection, and meanwhile is degraded', () => {
    expect(next(doubted('active'))).toEqual({ do: 'setStatus', to: 'degraded' });
    expect(next(doubted('degraded'))).toEqual({ do: 'wait', untilMs: NOW + 30_000 });
    expect(next(doubted('degraded'), [], false, NOW + 30_000)).toEqual({ do: 'probeKey' });
    // A question without an answer is asked again, and later and later.
    const silent = doubted('degraded', { probedAtMs: NOW + 30_000 });
    expect(next(silent, [], false, NOW + 30_000)).toEqual({ do: 'wait', untilMs: NOW + 60_000 });
    const long = doubted('degraded', { probedAtMs: NOW + 3_600_000 });
    expect(next(long, [], false, NOW + 3_600_000)).toEqual({ do: 'wait', untilMs: NOW + 7_200_000 });
  });

  it('reads on, with a backoff, where Anthropic takes the key after all', () => {
    const refuted = doubted('degraded', { probedAtMs: NOW + 30_000, answeredAtMs: NOW + 30_000, count: 5 });
    expect(next(refuted)).toEqual({ do: 'wait', untilMs: NOW + backoffMs(5) });
    expect(next(refuted, [], false, NOW + backoffMs(5))).toMatchObject({ do: 'startSync' });
  });

  it('goes back to the key before only once the rejection of the new one is confirmed', () => {
    const rotated = (failure: Facts): Facts => ({ ...failure, hasSupersededKey: true });
    expect(next(rotated(doubted('degraded')))).toMatchObject({ do: 'wait' });
    const answered = { probedAtMs: NOW, answeredAtMs: NOW };
    expect(next(rotated(doubted('degraded', answered)))).toMatchObject({ do: 'wait' });
    expect(next(rotated(doubted('degraded', { ...answered, rejectedAtMs: NOW })))).toMatchObject({ do: 'restoreKey' });
  });

  it('awaits a key once the rejection is confirmed, and asks after 1, 5, 30 minutes, 2 hours, then daily', () => {
    expect(next(failed('key_invalid'))).toEqual({ do: 'setStatus', to: 'awaiting_key' });
    const minute = 60_000;
    let answeredAtMs = NOW;
    const asked: number[] = [];
    for (let turn = 0; turn < 6; turn += 1) {
      const awaiting = doubted('awaiting_key', { probedAtMs: answeredAtMs, answeredAtMs, rejectedAtMs: NOW });
      const step = next(awaiting, [], false, answeredAtMs);
      const { untilMs } = z.object({ do: z.literal('wait'), untilMs: z.number() }).parse(step);
      expect(next(awaiting, [], false, untilMs)).toEqual({ do: 'probeKey' });
      asked.push((untilMs - NOW) / minute);
      answeredAtMs = untilMs;
    }
    expect(asked).toEqual([1, 5, 30, 120, 120 + 1440, 120 + 2880]);
  });

  it('asks again soon where a rejected key got no answer: that is no rejection, and waits no day', () => {
    const day = 86_400_000;
    const silent = { probedAtMs: NOW + day, answeredAtMs: NOW + day - 10_000, rejectedAtMs: NOW };
    expect(next(doubted('awaiting_key', silent), [], false, NOW + day)).toEqual({
      do: 'wait',
      untilMs: NOW + day + 60_000,
    });
    const longer = { ...silent, answeredAtMs: NOW };
    expect(next(doubted('awaiting_key', longer), [], false, NOW + day)).toEqual({
      do: 'wait',
      untilMs: NOW + day + 3_600_000,
    });
  });

  it('is asked about at once when somebody wants a sync, which is made once the key is taken again', () => {
    const message: Message = { type: 'syncNow', from: TODAY, to: TODAY };
    const awaiting = failed('key_invalid', { status: 'awaiting_key' });
    expect(next(awaiting, [message])).toEqual({ do: 'probeKey' });
    const taken: Facts = { ...awaiting, failure: null };
    expect(decide(taken, [message], { syncRunning: false, nowMs: NOW })).toEqual({
      step: { do: 'setStatus', to: 'active' },
    });
    expect(next({ ...taken, status: 'active' }, [message])).toMatchObject({ plan: { kind: 'manual' } });
  });

  it('is asked about once for each demand; days that were named wait for a key that is taken', () => {
    const awaiting = failed('key_invalid', { status: 'awaiting_key' });
    const waits = afterFailedProbe({ type: 'syncNow', from: TODAY, to: TODAY });
    if (waits === null) throw new Error('the days are forgotten');
    expect(next(awaiting, [waits])).toEqual({ do: 'wait', untilMs: NOW + 60_000 });
    expect(next(awaiting, [waits, { type: 'pause' }])).toEqual({ do: 'setStatus', to: 'paused' });
    expect(next({ ...awaiting, failure: null }, [waits])).toEqual({ do: 'setStatus', to: 'active' });
    expect(next(active, [waits])).toMatchObject({ plan: { kind: 'manual', from: TODAY, everyDay: true } });
    expect(afterFailedProbe({ type: 'syncNow' })).toBeNull();
  });

  it('forgives the rejection of a key that was replaced meanwhile', () => {
    expect(next(failed('key_invalid', { activeKeyId: OTHER_KEY }))).toEqual({ do: 'clearFailure' });
  });

  it('goes back to the replaced key when the new one is rejected before its first success', () => {
    expect(next(failed('key_invalid', { hasSupersededKey: true }))).toEqual({
      do: 'restoreKey',
      rejectedKeyId: KEY,
      code: 'key_invalid',
    });
  });

  it('does not await a key while one waits to be tried', () => {
    expect(next(failed('key_invalid', { candidates: [candidate] }))).toMatchObject({ do: 'tryKey' });
    const unanswered = { ...candidate, tries: 1, triedAtMs: NOW };
    expect(next(failed('key_invalid', { candidates: [unanswered] }))).toEqual({ do: 'setStatus', to: 'degraded' });
    const waiting = failed('key_invalid', { status: 'degraded', candidates: [unanswered] });
    expect(next(waiting)).toEqual({ do: 'wait', untilMs: NOW + backoffMs(1) });
  });
});

describe('days asked for before the connection is made', () => {
  const message: Message = { type: 'syncNow', from: TODAY, to: TODAY };
  it('are read once it is, and hold up nothing', () => {
    expect(decide(fresh, [message], { syncRunning: false, nowMs: NOW })).toEqual({
      step: { do: 'tryKey', keyId: KEY },
    });
    const accepted: Facts = { ...active, status: 'discovering', discovered: false };
    expect(decide(accepted, [message], { syncRunning: false, nowMs: NOW })).toEqual({
      step: { do: 'discoverWorkspaces' },
    });
    const failedOnce = failed('upstream_unavailable', { status: 'degraded', discovered: false });
    expect(next(failedOnce, [message])).toMatchObject({ do: 'wait' });
    expect(
      decide({ ...accepted, discovered: true, status: 'backfilling' }, [message], { syncRunning: false, nowMs: NOW }),
    ).toMatchObject({
      step: { plan: { kind: 'manual', from: TODAY } },
      answers: message,
    });
  });
});

describe('while paused', () => {
  it('a key that got no answer is tried again, and nothing is read', () => {
    const waiting = { ...candidate, tries: 1, triedAtMs: NOW };
    const paused: Facts = { ...active, status: 'paused', candidates: [waiting] };
    expect(next(paused)).toEqual({ do: 'wait', untilMs: NOW + backoffMs(1) });
    expect(next(paused, [], false, NOW + backoffMs(1))).toEqual({ do: 'tryKey', keyId: OTHER_KEY });
  });
});

describe('a message', () => {
  it('rotateKey tries a staged key in any live status, also while a sync runs', () => {
    const message: Message = { type: 'rotateKey', keyId: OTHER_KEY };
    for (const status of ['active', 'degraded', 'awaiting_key', 'paused', 'backfilling'] as const) {
      const facts = { ...active, status, candidates: [{ ...candidate, requested: false }] };
      expect(decide(facts, [message], { syncRunning: true, nowMs: NOW })).toEqual({
        step: { do: 'tryKey', keyId: OTHER_KEY },
        answers: message,
      });
    }
  });

  it('rotateKey to a key that does not wait changes nothing and leaves an event of what became of that key', () => {
    for (const keyId of [KEY, OTHER_KEY]) {
      const message: Message = { type: 'rotateKey', keyId };
      expect(decide(active, [message], { syncRunning: true, nowMs: NOW })).toEqual({
        step: { do: 'recordRotation', keyId },
        answers: message,
      });
    }
  });

  it('disconnect stops a running sync first', () => {
    const message: Message = { type: 'disconnect', purge: true };
    expect(decide(active, [message], { syncRunning: true, nowMs: NOW })).toEqual({ step: { do: 'cancelSync' } });
    expect(decide(active, [message], { syncRunning: false, nowMs: NOW })).toEqual({
      step: { do: 'disconnect', purge: true },
      answers: message,
    });
  });

  it('syncNow waits for a running sync without holding up a rotation behind it', () => {
    const rotate: Message = { type: 'rotateKey', keyId: OTHER_KEY };
    const facts = { ...active, candidates: [candidate] };
    expect(decide(facts, [{ type: 'syncNow' }, rotate], { syncRunning: true, nowMs: NOW }).answers).toBe(rotate);
    expect(next(active, [{ type: 'syncNow' }], true)).toMatchObject({ do: 'wait' });
    expect(next(active, [{ type: 'syncNow' }])).toMatchObject({ plan: { kind: 'manual', everyDay: false } });
  });

  it('syncNow reads just the days it names, and none that are not the connection’s', () => {
    const from = addDays(TODAY, -3);
    expect(next(active, [{ type: 'syncNow', from, to: TODAY }])).toEqual({
      do: 'startSync',
      plan: { kind: 'manual', from, to: TODAY, everyDay: true },
    });
    for (const [a, b] of [
      [addDays(BEGAN, -1), TODAY],
      [BEGAN, addDays(TODAY, 1)],
    ] as const) {
      expect(next(active, [{ type: 'syncNow', from: a, to: b }])).toMatchObject({ do: 'addEvent' });
    }
  });

  it('syncNow waits while the connection is paused, and is answered once it is resumed', () => {
    const inbox: Message[] = [{ type: 'syncNow', from: TODAY, to: TODAY }, { type: 'resume' }];
    expect(decide({ ...active, status: 'paused' }, inbox, { syncRunning: false, nowMs: NOW }).answers).toBe(inbox[1]);
    expect(next({ ...active, status: 'paused' }, inbox.slice(0, 1))).toEqual({ do: 'wait', untilMs: null });
    expect(next(active, inbox.slice(0, 1))).toMatchObject({ plan: { kind: 'manual', everyDay: true } });
  });

  it('about days is owed until a sync has read them', () => {
    const requestedDays = { from: addDays(TODAY, -20), to: addDays(TODAY, -19) };
    expect(next({ ...active, requestedDays })).toEqual({
      do: 'startSync',
      plan: { ...requestedDays, kind: 'manual', everyDay: true },
    });
    expect(next({ ...active, lastSyncFailed: true })).toMatchObject({ plan: { kind: 'daily' } });
  });

  it('pause and resume lead back to where it stands', () => {
    expect(next(active, [{ type: 'pause' }])).toEqual({ do: 'setStatus', to: 'paused' });
    const paused: Facts = { ...active, status: 'paused' };
    expect(next(paused)).toEqual({ do: 'wait', untilMs: null });
    expect(next(paused, [{ type: 'resume' }])).toEqual({ do: 'setStatus', to: 'active' });
    expect(next({ ...paused, oldestMissing: BEGAN }, [{ type: 'resume' }])).toMatchObject({ to: 'backfilling' });
    expect(next(active, [{ type: 'resume' }])).toMatchObject({ do: 'addEvent' });
    for (const [code, to] of [
      ['upstream_unavailable', 'degraded'],
      ['key_invalid', 'awaiting_key'],
    ] as const) {
      expect(next(failed(code, { status: 'paused' }), [{ type: 'resume' }])).toEqual({ do: 'setStatus', to });
      expect(next(failed(code, { status: 'paused', activeKeyId: null }), [{ type: 'resume' }])).toMatchObject({
        to: 'validating',
      });
    }
    const mended = failed('key_invalid', { status: 'paused', activeKeyId: OTHER_KEY });
    expect(next(mended, [{ type: 'resume' }])).toMatchObject({ to: 'active' });
  });

  it('to an ended connection can only ask for its data to be deleted', () => {
    const purge: Message = { type: 'disconnect', purge: true };
    const ended: Facts = { ...active, status: 'disconnected' };
    expect(decide(ended, [purge], { syncRunning: false, nowMs: NOW })).toEqual({
      step: { do: 'disconnect', purge: true },
      answers: purge,
    });
    expect(next(ended, [{ type: 'disconnect', purge: false }])).toEqual({ do: 'end' });
    for (const status of ['refused', 'disconnected'] as const) {
      expect(next({ ...active, status }, [{ type: 'syncNow' }])).toEqual({ do: 'end' });
    }
    expect(next(null)).toEqual({ do: 'end' });
  });
});

const anyDay = fc.integer({ min: -200, max: 0 }).map((offset): Day => addDays(TODAY, offset));
const anyInstant = fc.option(fc.integer({ min: NOW - 10 * 86_400_000, max: NOW }), { nil: null });
const anyFacts: fc.Arbitrary<Facts> = fc.record({
  recentDaysRequested: fc.boolean(),
  connectionId: fc.constant(ID),
  status: fc.constantFrom(...STATUSES),
  syncHourUtc: fc.integer({ min: 0, max: 23 }),
  began: anyDay,
  backfillTo: anyDay,
  discovered: fc.boolean(),
  activeKeyId: fc.constantFrom(null, KEY),
  hasSupersededKey: fc.boolean(),
  candidates: fc.array(
    fc.record({ keyId: fc.constant(OTHER_KEY), requested: fc.boolean(), tries: fc.nat(9), triedAtMs: anyInstant }),
    { maxLength: 2 },
  ),
  oldestMissing: fc.option(anyDay, { nil: null }),
  newestMissing: fc.option(anyDay, { nil: null }),
  oldestUnfinished: fc.option(anyDay, { nil: null }),
  lastSyncFailed: fc.boolean(),
  requestedDays: fc.option(fc.record({ from: anyDay, to: anyDay }), { nil: null }),
  syncedAtMs: anyInstant,
  failure: fc.option(
    fc.record({
      code: fc.constantFrom('key_invalid', 'upstream_unavailable', 'rate_limited', 'sync_interrupted'),
      keyId: fc.constantFrom(null, KEY, OTHER_KEY),
      atMs: fc.integer({ min: NOW - 10 * 86_400_000, max: NOW }),
      count: fc.integer({ min: 1, max: 99 }),
      probedAtMs: anyInstant,
      answeredAtMs: anyInstant,
      rejectedAtMs: anyInstant,
    }),
    { nil: null },
  ),
  hasFutureDays: fc.boolean(),
});
const anyMessage: fc.Arbitrary<Message> = fc.oneof(
  fc.record({ type: fc.constant('rotateKey'), keyId: fc.constantFrom(KEY, OTHER_KEY) }),
  fc.constant<Message>({ type: 'syncNow' }),
  fc.tuple(anyDay, anyDay).map(([from, to]): Message => ({ type: 'syncNow', from, to })),
  fc.constant<Message>({ type: 'pause' }),
  fc.constant<Message>({ type: 'resume' }),
  fc.record({ type: fc.constant('disconnect'), purge: fc.boolean() }),
  fc.constant<Message>({ type: 'malformed', signal: 'pause', problem: 'x' }),
);

describe('whatever Postgres says and whoever writes', () => {
  it('every status it sets is a legal one', () => {
    fc.assert(
      fc.property(anyFacts, fc.array(anyMessage, { maxLength: 3 }), fc.boolean(), (facts, inbox, running) => {
        const { step } = decide(facts, inbox, { syncRunning: running, nowMs: NOW });
        if (step.do === 'setStatus')
          expect([facts.status, step.to, mayFollow(facts.status, step.to)]).toEqual([facts.status, step.to, true]);
      }),
      { numRuns: 3000 },
    );
  });

  it('it waits only for the future, and with messages only for a running sync, a resume, or the first look at workspaces', () => {
    fc.assert(
      fc.property(anyFacts, fc.array(anyMessage, { maxLength: 3 }), fc.boolean(), (facts, inbox, running) => {
        const { step } = decide(facts, inbox, { syncRunning: running, nowMs: NOW });
        if (step.do !== 'wait') return;
        if (step.untilMs !== null) expect(step.untilMs).toBeGreaterThan(NOW);
        const mayWait = running || facts.status === 'paused';
        // Days that are named are not read before there is a connection.
        const isEarly = (message: Message): boolean =>
          message.type === 'syncNow' && message.from !== undefined && !facts.discovered;
        expect(inbox.every((message) => isEarly(message) || (mayWait && message.type === 'syncNow'))).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  it('it believes no instant beyond now: what a clock that was ahead left is put right before anything is decided', () => {
    const beyond = NOW + 30 * 86_400_000;
    const ahead: Partial<Facts>[] = [
      { syncedAtMs: beyond },
      { hasFutureDays: true },
      { candidates: [{ ...candidate, triedAtMs: beyond }] },
      { failure: { code: 'upstream_unavailable', keyId: null, atMs: beyond, count: 1, ...UNASKED } },
      { failure: { code: 'key_invalid', keyId: KEY, atMs: NOW, count: 1, ...CONFIRMED, probedAtMs: beyond } },
    ];
    for (const more of ahead) {
      expect(next({ ...active, ...more })).toEqual({ do: 'distrustClock' });
      expect(next({ ...active, ...more }, [], true)).toMatchObject({ do: 'wait' });
    }
    // Clocks of two machines differ by seconds.
    expect(next({ ...active, syncedAtMs: NOW + 10_000 })).toMatchObject({ do: 'wait' });
  });

  it('no wait is longer than a day and an hour', () => {
    fc.assert(
      fc.property(anyFacts, (facts) => {
        const { step } = decide(facts, [], { syncRunning: false, nowMs: NOW });
        if (step.do === 'wait' && step.untilMs !== null) expect(step.untilMs - NOW).toBeLessThanOrEqual(25 * 3_600_000);
      }),
      { numRuns: 2000 },
    );
  });

  it('it never reads the same again right after a sync that succeeded, unless somebody asks', () => {
    fc.assert(
      fc.property(anyFacts, (facts) => {
        const { step } = decide(facts, [], { syncRunning: false, nowMs: NOW });
        if (step.do !== 'startSync') return;
        expect(decide(facts, [], { syncRunning: false, nowMs: NOW, justSynced: step.plan }).step).toEqual({
          do: 'wait',
          untilMs: NOW + 60_000,
        });
        const other = { ...step.plan, everyDay: !step.plan.everyDay };
        expect(decide(facts, [], { syncRunning: false, nowMs: NOW, justSynced: other }).step).toEqual(step);
      }),
      { numRuns: 2000 },
    );
    const plan = { kind: 'manual', from: TODAY, to: TODAY, everyDay: true } as const;
    const asked: Message = { type: 'syncNow', from: TODAY, to: TODAY };
    expect(decide(active, [asked], { syncRunning: false, nowMs: NOW, justSynced: plan }).step).toEqual({
      do: 'startSync',
      plan,
    });
  });

  it('a status that Postgres just did not take is not set again at once', () => {
    fc.assert(
      fc.property(anyFacts, fc.array(anyMessage, { maxLength: 2 }), (facts, inbox) => {
        const { step, answers } = decide(facts, inbox, { syncRunning: false, nowMs: NOW });
        if (step.do !== 'setStatus' || answers !== undefined) return;
        expect(decide(facts, inbox, { syncRunning: false, nowMs: NOW, unreachable: step.to }).step).toEqual({
          do: 'wait',
          untilMs: NOW + 60_000,
        });
      }),
      { numRuns: 2000 },
    );
  });

  it('it ends exactly when the connection has ended', () => {
    fc.assert(
      fc.property(anyFacts, fc.array(anyMessage, { maxLength: 3 }), (facts, inbox) => {
        const purge = inbox.some((message) => message.type === 'disconnect' && message.purge);
        expect(decide(facts, inbox, { syncRunning: false, nowMs: NOW }).step.do === 'end').toBe(
          !isLive(facts.status) && !purge,
        );
      }),
      { numRuns: 2000 },
    );
  });

  it('it calls nothing active that lacks a key, its workspaces or a day of its backfill', () => {
    fc.assert(
      fc.property(anyFacts, (facts) => {
        if (statusByProgress(facts) !== 'active') return;
        expect(facts.activeKeyId).not.toBeNull();
        expect(facts.discovered).toBe(true);
        expect(facts.oldestMissing === null || facts.oldestMissing > facts.backfillTo).toBe(true);
      }),
    );
  });
});

describe('what somebody asked for', () => {
  const requested: Facts = {
    ...failed('upstream_unavailable'),
    status: 'degraded',
    lastSyncFailed: true,
    recentDaysRequested: true,
  };
  const recent = { from: BEGAN, to: TODAY, everyDay: false };

  it('and failed is asked for still when it is tried again, also where the daily sync is due by then', () => {
    const later = NOW + 60_000;
    expect(next(requested, [], false, later)).toEqual({ do: 'startSync', plan: { kind: 'manual', ...recent } });
    expect(next({ ...requested, syncedAtMs: null }, [], false, later)).toMatchObject({ plan: { kind: 'manual' } });
    expect(next({ ...requested, recentDaysRequested: false }, [], false, later)).toMatchObject({
      plan: { kind: 'daily' },
    });
  });

  it('is read still after another sync made its failure good', () => {
    expect(next({ ...active, recentDaysRequested: true })).toEqual({
      do: 'startSync',
      plan: { kind: 'manual', ...recent },
    });
  });
});

describe('a wait that Anthropic asked for', () => {
  it('is kept to, where it is longer than the own one and no longer than a minute', () => {
    const after = (retryAfterMs: number): unknown => {
      const facts = failed('upstream_unavailable', { status: 'degraded' });
      const failure = facts.failure === null ? null : { ...facts.failure, retryAfterMs };
      return next({ ...facts, failure });
    };
    expect(after(50_000)).toEqual({ do: 'wait', untilMs: NOW + 50_000 });
    expect(after(1_000)).toEqual({ do: 'wait', untilMs: NOW + backoffMs(1) });
    expect(after(86_400_000)).toEqual({ do: 'wait', untilMs: NOW + 60_000 });
  });

  it('is kept to for a key without a verdict, too', () => {
    const waits = {
      ...candidate,
      tries: 1,
      triedAtMs: NOW,
      failure: { code: 'rate_limited', retryAfterMs: 40_000 },
    } as const;
    expect(next({ ...fresh, candidates: [waits] })).toEqual({ do: 'wait', untilMs: NOW + 40_000 });
  });
});
