import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decide } from '../../domain/connection/decide.ts';
import { statusByProgress, type Facts } from '../../domain/connection/facts.ts';
import type { Message } from '../../domain/connection/messages.ts';
import { isLive, mayFollow } from '../../domain/connection/statuses.ts';
import { KEY, NOW, TODAY, active, next, anyFacts, anyMessage, candidate, NOT_PROBED, CONFIRMED } from './connection.ts';

describe('whatever the facts and the messages are', () => {
  it('never starts a sync while one runs', () => {
    fc.assert(
      fc.property(anyFacts, fc.array(anyMessage, { maxLength: 3 }), (facts, inbox) => {
        expect(decide(facts, inbox, { syncRunning: true, nowMs: NOW }).step.do).not.toBe('startSync');
      }),
    );
  });

  it('it sets only a status that may follow the present one', () => {
    fc.assert(
      fc.property(anyFacts, fc.array(anyMessage, { maxLength: 3 }), fc.boolean(), (facts, inbox, running) => {
        const { step } = decide(facts, inbox, { syncRunning: running, nowMs: NOW });
        if (step.do === 'setStatus')
          expect([facts.status, step.to, mayFollow(facts.status, step.to)]).toEqual([facts.status, step.to, true]);
      }),
      { numRuns: 3000 },
    );
  });

  it('it waits only for the future; a message waits only for a running sync, a resume, or the first read of workspaces', () => {
    fc.assert(
      fc.property(anyFacts, fc.array(anyMessage, { maxLength: 3 }), fc.boolean(), (facts, inbox, running) => {
        const { step } = decide(facts, inbox, { syncRunning: running, nowMs: NOW });
        if (step.do !== 'wait') return;
        if (step.untilMs !== null) expect(step.untilMs).toBeGreaterThan(NOW);
        const mayWait = running || facts.status === 'paused';
        // A request for named days waits for the first read of workspaces.
        const isEarly = (message: Message): boolean =>
          message.type === 'syncNow' && message.from !== undefined && !facts.discovered;
        expect(inbox.every((message) => isEarly(message) || (mayWait && message.type === 'syncNow'))).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  it('it corrects what was stored while the clock was ahead before it decides anything else', () => {
    const beyond = NOW + 30 * 86_400_000;
    const ahead: Partial<Facts>[] = [
      { syncedAtMs: beyond },
      { hasFutureDays: true },
      { candidates: [{ ...candidate, triedAtMs: beyond }] },
      { failure: { code: 'upstream_unavailable', keyId: null, atMs: beyond, count: 1, ...NOT_PROBED } },
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

  it('it never repeats a sync right after it succeeded, unless somebody asks', () => {
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

  it('it does not at once set a status again that the connection could not move to', () => {
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

  it('it calls no connection active that lacks a key, its workspaces or a day of its backfill', () => {
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
