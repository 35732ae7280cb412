import { describe, expect, it } from 'vitest';
import { deadline, openGate } from '../../notify/delivery.ts';

const NEVER = new AbortController().signal;

describe('the gate of an attempt', () => {
  it('opens once beforeBody is done, and for nobody after the first', async () => {
    let calls = 0;
    const gate = openGate(() => {
      calls += 1;
      expect(gate.isPassed).toBe(false);
      return Promise.resolve();
    }, NEVER);
    await gate.pass();
    expect([gate.isPassed, gate.refusal]).toEqual([true, null]);
    await expect(gate.pass()).rejects.toThrow('leaves once');
    expect(calls).toBe(1);
  });

  it('stays shut if beforeBody rejects, whatever with, and keeps that', async () => {
    for (const error of [new Error('taken'), 'a text', undefined]) {
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- nothing keeps others from it
      const gate = openGate(() => Promise.reject(error), NEVER);
      await expect(gate.pass()).rejects.toThrow('must not leave');
      expect([gate.isPassed, gate.refusal]).toEqual([false, { error }]);
    }
  });

  it('stays shut if the attempt was called off while beforeBody took its time', async () => {
    const control = new AbortController();
    const gate = openGate(() => {
      control.abort();
      return Promise.resolve();
    }, control.signal);
    await expect(gate.pass()).rejects.toThrow('called off');
    expect([gate.isPassed, gate.refusal]).toEqual([false, null]);
  });
});

it('a deadline is over by its time or by its signal, and knows which', async () => {
  const early = deadline(60_000, AbortSignal.abort());
  expect([early.over.aborted, early.isLate()]).toEqual([true, false]);
  early.end();
  const late = deadline(1, NEVER);
  await new Promise((done) => {
    late.over.addEventListener('abort', done);
  });
  expect(late.isLate()).toBe(true);
  late.end();
});
