import { expect, it } from 'vitest';
import { readAhead } from '../../db/core/cursor.ts';

/** Batches of numbers, with a count of how many were made and how many are being made. */
function source(
  batches: number,
  rowsOf: (batch: number) => number,
): { made: number; making: number; all: AsyncGenerator<number[]> } {
  const state = { made: 0, making: 0 };
  async function* all(): AsyncGenerator<number[]> {
    for (let batch = 0; batch < batches; batch += 1) {
      state.making += 1;
      await new Promise(setImmediate);
      state.making -= 1;
      state.made += 1;
      yield Array.from({ length: rowsOf(batch) }, (_, place) => batch * 10_000 + place);
    }
  }
  return Object.assign(state, { all: all() });
}

it('rows that are read ahead come whole and in their order', async () => {
  const lengths = [1_000, 1, 0, 999, 250, 251];
  const from = source(lengths.length, (batch) => lengths[batch] ?? 0);
  const found: number[] = [];
  for await (const part of readAhead(from.all)) found.push(...part);
  expect(found).toEqual(
    lengths.flatMap((length, batch) => Array.from({ length }, (_, place) => batch * 10_000 + place)),
  );
});

it('the next batches are made while one is used, and never more than five of them', async () => {
  const from = source(50, () => 1_000);
  const ahead: number[] = [];
  let used = 0;
  for await (const part of readAhead(from.all)) {
    used += part.length;
    // As a client that reads slowly: whatever can be made meanwhile is made.
    for (let turn = 0; turn < 40; turn += 1) await new Promise(setImmediate);
    ahead.push(from.made - Math.ceil(used / 1_000));
  }
  expect(Math.max(...ahead)).toBe(5);
});

it('whoever stops early, or fails, leaves no batch behind that is still being made', async () => {
  const stopped = source(50, () => 1_000);
  for await (const part of readAhead(stopped.all)) if (part.length > 0) break;
  expect(stopped.making).toBe(0);
  const failed = source(50, () => 1_000);
  const use = async (): Promise<void> => {
    for await (const part of readAhead(failed.all)) throw new Error(`cannot use ${part.length}`);
  };
  await expect(use()).rejects.toThrow('cannot use 250');
  expect(failed.making).toBe(0);
});

it('a failure of a batch comes after the batches before it', async () => {
  async function* all(): AsyncGenerator<number[]> {
    yield [1];
    await new Promise(setImmediate);
    throw new Error('lost');
  }
  const found: number[] = [];
  const use = async (): Promise<void> => {
    for await (const part of readAhead(all())) found.push(...part);
  };
  await expect(use()).rejects.toThrow('lost');
  expect(found).toEqual([1]);
});
