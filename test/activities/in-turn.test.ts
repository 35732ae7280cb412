import { describe, expect, it } from 'vitest';
import { inTurn } from '../../activities/in-turn.ts';

/** Work that ends when the test says so. */
function controlled(): { work: (item: number) => Promise<string>; end: (item: number, error?: Error) => void } {
  const ends = new Map<number, (error?: Error) => void>();
  return {
    work: (item) =>
      new Promise((resolve, reject) => {
        ends.set(item, (error) => {
          if (error === undefined) resolve(`done ${item}`);
          else reject(error);
        });
      }),
    end: (item, error) => {
      const end = ends.get(item);
      if (end === undefined) throw new Error(`item ${item} was not started`);
      end(error);
    },
  };
}

/** Items that tell how many were taken, and may end with an error. */
function itemsOf(count: number, error?: Error): { items: AsyncIterable<number>; taken: () => number } {
  let taken = 0;
  async function* items(): AsyncGenerator<number> {
    for (let item = 1; item <= count; item += 1) {
      taken = item;
      yield await Promise.resolve(item);
    }
    if (error !== undefined) throw error;
  }
  return { items: items(), taken: () => taken };
}

/** Lets everything run that is ready to. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('work in turn', () => {
  it('passes results on in the order of the items, with at most two under way', async () => {
    const { work, end } = controlled();
    const { items, taken } = itemsOf(4);
    const results: string[] = [];
    const running = inTurn(items, work, (result) => results.push(result));
    await settled();
    expect(taken()).toBe(2);
    end(2);
    await settled();
    expect([taken(), results]).toEqual([2, []]);
    end(1);
    await settled();
    expect([taken(), results]).toEqual([4, ['done 1', 'done 2']]);
    end(3);
    end(4);
    await running;
    expect(results).toEqual(['done 1', 'done 2', 'done 3', 'done 4']);
  });

  it('passes nothing on after the first failure, and awaits the started work before it throws', async () => {
    const { work, end } = controlled();
    const results: string[] = [];
    let isOver = false;
    const running = inTurn(itemsOf(4).items, work, (result) => results.push(result));
    const failing = expect(running.finally(() => (isOver = true))).rejects.toThrow('first');
    await settled();
    end(1, new Error('first'));
    await settled();
    expect(isOver).toBe(false);
    end(2);
    await failing;
    expect(results).toEqual([]);
  });

  it('finishes the started work when the items fail, and throws their failure', async () => {
    const { work, end } = controlled();
    const results: string[] = [];
    const running = inTurn(itemsOf(1, new Error('no more items')).items, work, (result) => results.push(result));
    const failing = expect(running).rejects.toThrow('no more items');
    await settled();
    end(1);
    await failing;
    expect(results).toEqual(['done 1']);
  });
});
