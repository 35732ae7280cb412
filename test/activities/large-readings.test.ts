import { expect, it } from 'vitest';
import { LargeReadings } from '../../activities/large-readings.ts';
import type { OpenReading, PageReader } from '../../pages/page-reader.ts';

const SMALL = 1_000;
const LARGE = 3 * 2 ** 20;

/** A reader that says which pages it was given, by their length. */
function world(): { large: LargeReadings; pages: PageReader; given: number[]; closed: () => number } {
  const given: number[] = [];
  let closed = 0;
  const pages: PageReader = {
    open: () => ({
      turn: () => Promise.resolve(),
      read: (body) => {
        given.push(body.length);
        return Promise.resolve({ page: undefined as never, spare: body });
      },
      close: () => (closed += 1),
    }),
    close: () => Promise.resolve(),
  };
  return { large: new LargeReadings(), pages, given, closed: () => closed };
}

/** Reads a page of so many bytes, as a report does. */
async function read(reading: OpenReading, bytes: number): Promise<void> {
  await reading.turn(bytes);
  await reading.read(new Uint8Array(bytes), null);
}

/** Lets everything happen that does not wait for something outside. */
async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

const never = new AbortController().signal;

it('a large page waits until the reading that began to read large pages before is closed', async () => {
  const { large, pages, given } = world();
  const [cost, usage] = [large.open(pages, 'cost', never), large.open(pages, 'usage', never)];
  await read(cost, LARGE);
  const second = read(usage, LARGE + 1);
  await settled();
  expect(given).toEqual([LARGE]);
  cost.close();
  await second;
  expect(given).toEqual([LARGE, LARGE + 1]);
});

it('small pages wait for nobody', async () => {
  const { large, pages, given } = world();
  const [cost, usage] = [large.open(pages, 'cost', never), large.open(pages, 'usage', never)];
  await read(cost, LARGE);
  await read(usage, SMALL);
  expect(given).toEqual([LARGE, SMALL]);
});

it('of the readings that wait, the one that began first has the next turn', async () => {
  const { large, pages, given } = world();
  const open = (): OpenReading => large.open(pages, 'cost', never);
  const [first, second, third] = [open(), open(), open()];
  await read(third, LARGE);
  const reads = [read(second, LARGE + 2), read(first, LARGE + 1)];
  await settled();
  third.close();
  await settled();
  first.close();
  await Promise.all(reads);
  expect(given).toEqual([LARGE, LARGE + 1, LARGE + 2]);
});

it('a reading that is cancelled waits no longer, and holds up nobody', async () => {
  const { large, pages, given, closed } = world();
  const cancelled = new AbortController();
  const open = (signal: AbortSignal): OpenReading => large.open(pages, 'cost', signal);
  const [first, second, third] = [open(never), open(cancelled.signal), open(never)];
  await read(first, LARGE);
  const waiting = read(second, LARGE);
  cancelled.abort(new Error('cancelled'));
  await expect(waiting).rejects.toThrow('cancelled');
  second.close();
  first.close();
  await read(third, LARGE);
  expect(given).toEqual([LARGE, LARGE]);
  expect(closed()).toBe(2);
});
