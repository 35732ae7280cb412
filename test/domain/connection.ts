import fc from 'fast-check';
import { decide } from '../../domain/connection/decide.ts';
import type { CandidateFacts, FailureFacts, Facts } from '../../domain/connection/facts.ts';
import type { Message } from '../../domain/connection/messages.ts';
import { STATUSES } from '../../domain/connection/statuses.ts';
import type { Step } from '../../domain/connection/steps.ts';
import { addDays, dayOf, type Day } from '../../domain/days.ts';

export const ID = '00000000-0000-4000-8000-000000000001';
export const KEY = '00000000-0000-4000-8000-00000000000a';
export const OTHER_KEY = '00000000-0000-4000-8000-00000000000b';
export const NOW = Date.parse('2026-11-20T12:00:00Z');
export const TODAY = dayOf(NOW);
export const BEGAN = addDays(TODAY, -30);

/** A connection in good order, synced a minute ago. */
export const active: Facts = {
  connectionId: ID,
  status: 'active',
  syncHourUtc: 6,
  began: BEGAN,
  backfillTo: TODAY,
  discovered: true,
  openSince: null,
  nextSync: 2,
  activeKeyId: KEY,
  hasSupersededKey: false,
  candidates: [],
  oldestMissing: null,
  newestMissing: null,
  oldestUnconfirmed: null,
  oldestUnfinished: null,
  lastSyncFailed: false,
  requestedDays: null,
  recentDaysRequested: false,
  syncedAtMs: NOW - 60_000,
  failure: null,
  hasFutureDays: false,
};
export const NOT_PROBED = { probedAtMs: null, answeredAtMs: null, rejectedAtMs: null } as const;
export const CONFIRMED = { probedAtMs: NOW, answeredAtMs: NOW, rejectedAtMs: NOW } as const;
export const candidate: CandidateFacts = { keyId: OTHER_KEY, requested: true, tries: 0, triedAtMs: null };
export const fresh: Facts = {
  ...active,
  status: 'validating',
  discovered: false,
  activeKeyId: null,
  candidates: [{ ...candidate, keyId: KEY }],
  oldestMissing: BEGAN,
  newestMissing: TODAY,
  syncedAtMs: null,
};
/** A failure. A failure of the key is confirmed. */
export const failed = (code: 'key_invalid' | 'upstream_unavailable', more: Partial<Facts> = {}): Facts => ({
  ...active,
  failure:
    code === 'key_invalid'
      ? { code, keyId: KEY, atMs: NOW, count: 1, ...CONFIRMED }
      : { code, keyId: null, atMs: NOW, count: 1, ...NOT_PROBED },
  ...more,
});
/** A failure of the key that is not confirmed, unless `more` says otherwise. */
export const unconfirmed = (status: Facts['status'], more: Partial<FailureFacts> = {}): Facts => ({
  ...active,
  status,
  failure: { code: 'key_invalid', keyId: KEY, atMs: NOW, count: 1, ...NOT_PROBED, ...more },
});
/** The step that follows. */
export const next = (facts: Facts | null, inbox: Message[] = [], running = false, now = NOW): Step =>
  decide(facts, inbox, { syncRunning: running, nowMs: now }).step;
export const anyDay = fc.integer({ min: -200, max: 0 }).map((offset): Day => addDays(TODAY, offset));
export const anyInstant = fc.option(fc.integer({ min: NOW - 10 * 86_400_000, max: NOW }), { nil: null });
export const anyFacts: fc.Arbitrary<Facts> = fc.record({
  recentDaysRequested: fc.boolean(),
  connectionId: fc.constant(ID),
  status: fc.constantFrom(...STATUSES),
  syncHourUtc: fc.integer({ min: 0, max: 23 }),
  began: anyDay,
  backfillTo: anyDay,
  openSince: fc.option(anyDay, { nil: null }),
  discovered: fc.boolean(),
  nextSync: fc.nat(),
  activeKeyId: fc.constantFrom(null, KEY),
  hasSupersededKey: fc.boolean(),
  candidates: fc.array(
    fc.record({ keyId: fc.constant(OTHER_KEY), requested: fc.boolean(), tries: fc.nat(9), triedAtMs: anyInstant }),
    { maxLength: 2 },
  ),
  oldestMissing: fc.option(anyDay, { nil: null }),
  newestMissing: fc.option(anyDay, { nil: null }),
  oldestUnconfirmed: fc.option(anyDay, { nil: null }),
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
export const anyMessage: fc.Arbitrary<Message> = fc.oneof(
  fc.record({ type: fc.constant('rotateKey'), keyId: fc.constantFrom(KEY, OTHER_KEY) }),
  fc.constant<Message>({ type: 'syncNow' }),
  fc.tuple(anyDay, anyDay).map(([from, to]): Message => ({ type: 'syncNow', from, to })),
  fc.constant<Message>({ type: 'pause' }),
  fc.constant<Message>({ type: 'resume' }),
  fc.record({ type: fc.constant('disconnect'), purge: fc.boolean() }),
  fc.constant<Message>({ type: 'malformed', signal: 'pause', problem: 'x' }),
);
