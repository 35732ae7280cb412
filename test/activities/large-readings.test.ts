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

function body(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(length);
}

/** Lets everything happen that does not wait for something outside. */
async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

const never = new AbortController().signal;

it('a large page waits until the reading that began to read large pages before is closed', async () => {
  const { large, pages, given } = world();
  const [cost, usage] = [large.open(pages, 'cost', never), large.open(pages, 'usage', never)];
  await cost.read(body(LARGE), null);
  const second = usage.read(body(LARGE + 1), null);
  await settled();
  expect(given).toEqual([LARGE]);
  cost.close();
  await second;
  expect(given).toEqual([LARGE, LARGE + 1]);
});

it('small pages wait for nobody', async () => {
  const { large, pages, given } = world();
  const [cost, usage] = [large.open(pages, 'cost', never), large.open(pages, 'usage', never)];
  await cost.read(body(LARGE), null);
  await usage.read(body(SMALL), null);
  expect(given).toEqual([LARGE, SMALL]);
});

it('of the readings that wait, the one that began first has the next turn', async () => {
  const { large, pages, given } = world();
  const open = (): OpenReading => large.open(pages, 'cost', never);
  const [first, second, third] = [open(), open(), open()];
  await third.read(body(LARGE), null);
  const reads = [second.read(body(LARGE + 2), null), first.read(body(LARGE + 1), null)];
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
  await first.read(body(LARGE), null);
  const waiting = second.read(body(LARGE), null);
  cancelled.abort(new Error('cancelled'));
  await expect(waiting).rejects.toThrow('cancelled');
  second.close();
  first.close();
  await third.read(body(LARGE), null);
  expect(given).toEqual([LARGE, LARGE]);
  expect(closed()).toBe(2);
});
