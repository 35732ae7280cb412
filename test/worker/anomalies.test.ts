import { describe, expect, it } from 'vitest';
import { findAnomalies, type TextInput } from '../../domain/anomalies/settled.ts';
import { addDays, toDay } from '../../domain/days.ts';
import { toDecimal } from '../../domain/money.ts';
import { anomaliesInThreads } from '../../worker/anomalies.ts';

const PROGRAM = new URL('../../dist/worker/anomalies-thread.js', import.meta.url);
const NOWHERE = new URL('../../dist/worker/nowhere.js', import.meta.url);
const FIRST = toDay('2026-10-01');
const DAYS = 40;

/** A calm history of so many workspaces, whose last day costs five times as much in all but one of them. */
function history(workspaces: number): TextInput {
  const numbers = Array.from({ length: workspaces }, (_, place) => place + 1);
  const dimensions = numbers.map((no) => [{ workspace: `w${no}`, model: 'm', cost_type: 'tokens' }, String(no)]);
  const days = Array.from({ length: DAYS }, (_, place) => {
    const factor = place === DAYS - 1 ? 5 : 1;
    const sums = numbers.map((no) => 10 * (no === 1 ? 1 : factor) + ((place * no) % 3));
    return {
      day: addDays(FIRST, place),
      total: toDecimal(String(sums.reduce((sum, each) => sum + each, 0))),
      groups: sums.map((sum, at) => `${at + 1} ${sum}`).join(' '),
    };
  });
  const settled = { dimensions: JSON.stringify(dimensions), days };
  return { settled, incidents: [], sensitivity: 'medium', today: addDays(FIRST, DAYS) };
}

describe('the anomalies of a large history', () => {
  const large = history(1_000);

  it('are those that the calling thread would find', async () => {
    const found = await anomaliesInThreads(PROGRAM)(large);
    expect(found).toEqual(findAnomalies(large));
    expect(found.map(({ verdict }) => verdict)).toEqual(['open']);
  });

  it('leave the event loop free meanwhile', async () => {
    const ended = anomaliesInThreads(PROGRAM)(large).then(() => 'ended');
    const free = new Promise((resolve) => setImmediate(resolve, 'free'));
    expect(await Promise.race([ended, free])).toBe('free');
    await ended;
  });

  it('are a failure where the thread fails', async () => {
    await expect(anomaliesInThreads(NOWHERE)(large)).rejects.toThrow('nowhere.js');
  });
});

it('the anomalies of a small history take no thread', async () => {
  expect(await anomaliesInThreads(NOWHERE)(history(3))).toHaveLength(1);
});
