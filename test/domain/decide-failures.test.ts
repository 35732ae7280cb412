import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { afterFailedProbe } from '../../domain/connection/answer.ts';
import { decide } from '../../domain/connection/decide.ts';
import type { Facts } from '../../domain/connection/facts.ts';
import type { Message } from '../../domain/connection/messages.ts';
import { backoffMs } from '../../domain/connection/schedule.ts';
import { KEY, OTHER_KEY, NOW, TODAY, active, candidate, failed, unconfirmed, next } from './connection.ts';

describe('after a failure', () => {
  it('is degraded, and tries again with a backoff', () => {
    expect(next(failed('upstream_unavailable'))).toEqual({ do: 'setStatus', to: 'degraded' });
    const degraded = failed('upstream_unavailable', { status: 'degraded' });
    expect(next(degraded)).toEqual({ do: 'wait', untilMs: NOW + backoffMs(1) });
    expect(next(degraded, [], false, NOW + backoffMs(1))).toMatchObject({ do: 'startSync' });
  });

  it('is degraded after one rejection of a key that worked, and asks Anthropic about the key again', () => {
    expect(next(unconfirmed('active'))).toEqual({ do: 'setStatus', to: 'degraded' });
    expect(next(unconfirmed('degraded'))).toEqual({ do: 'wait', untilMs: NOW + 30_000 });
    expect(next(unconfirmed('degraded'), [], false, NOW + 30_000)).toEqual({ do: 'probeKey' });
    // A probe without an answer is repeated, with growing waits.
    const silent = unconfirmed('degraded', { probedAtMs: NOW + 30_000 });
    expect(next(silent, [], false, NOW + 30_000)).toEqual({ do: 'wait', untilMs: NOW + 60_000 });
    const long = unconfirmed('degraded', { probedAtMs: NOW + 3_600_000 });
    expect(next(long, [], false, NOW + 3_600_000)).toEqual({ do: 'wait', untilMs: NOW + 7_200_000 });
  });

  it('retries with a backoff if Anthropic accepts the key after all', () => {
    const refuted = unconfirmed('degraded', { probedAtMs: NOW + 30_000, answeredAtMs: NOW + 30_000, count: 5 });
    expect(next(refuted)).toEqual({ do: 'wait', untilMs: NOW + backoffMs(5) });
    expect(next(refuted, [], false, NOW + backoffMs(5))).toMatchObject({ do: 'startSync' });
  });

  it('returns to the replaced key only once the rejection of the new one is confirmed', () => {
    const rotated = (failure: Facts): Facts => ({ ...failure, hasSupersededKey: true });
    expect(next(rotated(unconfirmed('degraded')))).toMatchObject({ do: 'wait' });
    const answered = { probedAtMs: NOW, answeredAtMs: NOW };
    expect(next(rotated(unconfirmed('degraded', answered)))).toMatchObject({ do: 'wait' });
    expect(next(rotated(unconfirmed('degraded', { ...answered, rejectedAtMs: NOW })))).toMatchObject({
      do: 'restoreKey',
    });
  });

  it('awaits a key once the rejection is confirmed, and probes the old one after 1, 5, 30 minutes, 2 hours, then daily', () => {
    expect(next(failed('key_invalid'))).toEqual({ do: 'setStatus', to: 'awaiting_key' });
    const minute = 60_000;
    let answeredAtMs = NOW;
    const asked: number[] = [];
    for (let turn = 0; turn < 6; turn += 1) {
      const awaiting = unconfirmed('awaiting_key', { probedAtMs: answeredAtMs, answeredAtMs, rejectedAtMs: NOW });
      const step = next(awaiting, [], false, answeredAtMs);
      const { untilMs } = z.object({ do: z.literal('wait'), untilMs: z.number() }).parse(step);
      expect(next(awaiting, [], false, untilMs)).toEqual({ do: 'probeKey' });
      asked.push((untilMs - NOW) / minute);
      answeredAtMs = untilMs;
    }
    expect(asked).toEqual([1, 5, 30, 120, 120 + 1440, 120 + 2880]);
  });

  it('probes a rejected key again soon if a probe got no answer, since silence is not a rejection', () => {
    const day = 86_400_000;
    const silent = { probedAtMs: NOW + day, answeredAtMs: NOW + day - 10_000, rejectedAtMs: NOW };
    expect(next(unconfirmed('awaiting_key', silent), [], false, NOW + day)).toEqual({
      do: 'wait',
      untilMs: NOW + day + 60_000,
    });
    const longer = { ...silent, answeredAtMs: NOW };
    expect(next(unconfirmed('awaiting_key', longer), [], false, NOW + day)).toEqual({
      do: 'wait',
      untilMs: NOW + day + 3_600_000,
    });
  });

  it('probes the key at once when somebody asks for a sync, and makes the sync once Anthropic accepts the key', () => {
    const message: Message = { type: 'syncNow', from: TODAY, to: TODAY };
    const awaiting = failed('key_invalid', { status: 'awaiting_key' });
    expect(next(awaiting, [message])).toEqual({ do: 'probeKey' });
    const taken: Facts = { ...awaiting, failure: null };
    expect(decide(taken, [message], { syncRunning: false, nowMs: NOW })).toEqual({
      step: { do: 'setStatus', to: 'active' },
    });
    expect(next({ ...taken, status: 'active' }, [message])).toMatchObject({ plan: { kind: 'manual' } });
  });

  it('probes the key once for each request; a request that names days then waits for a key that works', () => {
    const awaiting = failed('key_invalid', { status: 'awaiting_key' });
    const waits = afterFailedProbe({ type: 'syncNow', from: TODAY, to: TODAY });
    if (waits === null) throw new Error('the days are forgotten');
    expect(next(awaiting, [waits])).toEqual({ do: 'wait', untilMs: NOW + 60_000 });
    expect(next(awaiting, [waits, { type: 'pause' }])).toEqual({ do: 'setStatus', to: 'paused' });
    expect(next({ ...awaiting, failure: null }, [waits])).toEqual({ do: 'setStatus', to: 'active' });
    expect(next(active, [waits])).toMatchObject({ plan: { kind: 'manual', from: TODAY, everyDay: true } });
    expect(afterFailedProbe({ type: 'syncNow' })).toBeNull();
  });

  it('clears the rejection of a key that was replaced since', () => {
    expect(next(failed('key_invalid', { activeKeyId: OTHER_KEY }))).toEqual({ do: 'clearFailure' });
  });

  it('returns to the replaced key if the new one is rejected before its first success', () => {
    expect(next(failed('key_invalid', { hasSupersededKey: true }))).toEqual({
      do: 'restoreKey',
      rejectedKeyId: KEY,
      code: 'key_invalid',
    });
  });

  it('does not await a key while a candidate waits for its verdict', () => {
    expect(next(failed('key_invalid', { candidates: [candidate] }))).toMatchObject({ do: 'tryKey' });
    const unanswered = { ...candidate, tries: 1, triedAtMs: NOW };
    expect(next(failed('key_invalid', { candidates: [unanswered] }))).toEqual({ do: 'setStatus', to: 'degraded' });
    const waiting = failed('key_invalid', { status: 'degraded', candidates: [unanswered] });
    expect(next(waiting)).toEqual({ do: 'wait', untilMs: NOW + backoffMs(1) });
  });
});
