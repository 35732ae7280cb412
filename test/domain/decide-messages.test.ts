import { describe, expect, it } from 'vitest';
import { decide } from '../../domain/connection/decide.ts';
import type { Facts } from '../../domain/connection/facts.ts';
import type { Message } from '../../domain/connection/messages.ts';
import { addDays } from '../../domain/days.ts';
import { KEY, OTHER_KEY, NOW, TODAY, BEGAN, active, candidate, fresh, failed, next } from './connection.ts';

describe('a request for days before the first key is accepted', () => {
  const message: Message = { type: 'syncNow', from: TODAY, to: TODAY };
  it('is answered afterwards, and holds up nothing', () => {
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
describe('a message', () => {
  it('rotateKey tries a candidate in any live status, even while a sync runs', () => {
    const message: Message = { type: 'rotateKey', keyId: OTHER_KEY };
    for (const status of ['active', 'degraded', 'awaiting_key', 'paused', 'backfilling'] as const) {
      const facts = { ...active, status, candidates: [{ ...candidate, requested: false }] };
      expect(decide(facts, [message], { syncRunning: true, nowMs: NOW })).toEqual({
        step: { do: 'tryKey', keyId: OTHER_KEY },
        answers: message,
      });
    }
  });

  it('rotateKey to a key that is not a candidate changes nothing, and an event names the state of that key', () => {
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

  it('syncNow reads just the days it names, and declines days outside the connection', () => {
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

  it('syncNow for named days is tried again until a sync has read them', () => {
    const requestedDays = { from: addDays(TODAY, -20), to: addDays(TODAY, -19) };
    expect(next({ ...active, requestedDays })).toEqual({
      do: 'startSync',
      plan: { ...requestedDays, kind: 'manual', everyDay: true },
    });
    expect(next({ ...active, lastSyncFailed: true })).toMatchObject({ plan: { kind: 'daily' } });
  });

  it('pause and resume lead back to the status that the facts call for', () => {
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

  it('disconnect with a purge is the only one that an ended connection answers', () => {
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
