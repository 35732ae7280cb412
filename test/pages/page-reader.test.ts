import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addDays } from '../../domain/days.ts';
import { PageError, ThreadLostError } from '../../pages/failure.ts';
import { PageThread, pageReaderHere, type OpenReading, type PageReader } from '../../pages/page-reader.ts';
import type { ReadPage } from '../../pages/reading.ts';
import { DAY, bucket, pageOf } from './support.ts';

const BUILT = new URL('../../dist/pages/', import.meta.url);
const PROGRAM = new URL('thread.js', BUILT);
const ONE_DAY = { from: DAY, to: DAY };
const OUT_OF_MEMORY = /^it takes more than \d+ MB of memory to read$/;

/** A body as a reply brings it: its memory is its own. */
function bodyOf(text: string): Buffer<ArrayBuffer> {
  const body = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
  body.write(text);
  return body;
}

function body(rows: readonly string[], next: string | null = null, day = DAY): Buffer<ArrayBuffer> {
  return bodyOf(pageOf([bucket(day, rows)], next));
}

const row = (amount: number): string => `{"amount":"${amount}","description":"d${amount % 50}","odd":[${amount % 3}]}`;
const rows = (count: number): string[] => Array.from({ length: count }, (_, index) => row(index));

/** A page that is small, but of which JSON.parse makes more than the 24 MB of a small thread. */
function tooLarge(): Buffer<ArrayBuffer> {
  const [start, end] = ['{"data":[],"has_more":false,"odd":[', '{}]}'];
  const page = Buffer.allocUnsafeSlow(3_900_000 + start.length + end.length);
  page.fill('{},', start.length);
  page.write(start, 0);
  page.write(end, page.length - end.length);
  return page;
}

async function amountsOf(reading: OpenReading, page: Buffer<ArrayBuffer>): Promise<number> {
  return (await reading.read(page, ONE_DAY)).page.lines;
}

/** A thread that does this with each page. */
function threadThat(does: string): PageThread {
  const program = `import { parentPort } from 'node:worker_threads'; parentPort.on('message', (asked) => { ${does} });`;
  return new PageThread(new URL(`data:text/javascript,${encodeURIComponent(program)}`));
}

let pages: PageThread;
beforeEach(() => {
  if (!existsSync(PROGRAM)) throw new Error('build the program first: npm run build');
  pages = new PageThread(PROGRAM);
});
afterEach(() => pages.close());

describe('the thread that reads pages', () => {
  async function readIn(reader: PageReader): Promise<ReadPage[]> {
    const read: ReadPage[] = [];
    const cost = reader.open('cost');
    const window = { from: DAY, to: addDays(DAY, 2) };
    read.push((await cost.read(body(rows(80), 'a'), window)).page);
    read.push((await cost.read(body([...rows(70), row(7)], 'b'), null)).page);
    read.push((await cost.read(body(['{"amount":"1","currency":"EUR"}'], null, addDays(DAY, 1)), null)).page);
    cost.close();
    const usage = reader.open('usage');
    const counts = rows(50).map(
      (_, index) => `{"output_tokens":${2 ** 53 - 1},"x":${index % 2},"model":"m${index % 4}"}`,
    );
    read.push((await usage.read(body(counts), ONE_DAY)).page);
    usage.close();
    return read;
  }

  it('gives what reading in the calling thread gives', async () => {
    const [there, here] = [await readIn(pages), await readIn(pageReaderHere())];
    // A digest is a Buffer here, and arrives as the plain bytes of one.
    const plain = (read: readonly ReadPage[]): unknown => structuredClone(read);
    expect(there).toEqual(plain(here));
    expect(here.map(({ days }) => days.length)).toEqual([0, 0, 3, 1]);
  });

  it('gives back the memory of each page for the next one', async () => {
    const reading = pages.open('cost');
    const page = body(rows(300));
    const { length } = page;
    const { spare } = await reading.read(page, ONE_DAY);
    expect([page.length, spare.length, spare.buffer.byteLength]).toEqual([0, length, length]);
    const again = Buffer.from(spare.buffer);
    again.write(body(rows(300)).toString());
    expect(await amountsOf(reading, again)).toBe(300);
  });

  it('passes on why a page is refused, and reads on', async () => {
    for (const [page, message] of [
      ['{"data":', 'the reply is cut short or is not JSON'],
      [pageOf([bucket(DAY, ['{"amount":7}'])]), 'an amount is not a decimal number in text'],
    ] as const) {
      const refused = pages.open('cost').read(bodyOf(page), ONE_DAY);
      await expect(refused).rejects.toThrow(PageError);
      await expect(refused).rejects.toThrow(message);
    }
    expect(await amountsOf(pages.open('cost'), body(rows(3)))).toBe(3);
  });

  it('takes the page first whose reading began first', async () => {
    const [first, second, third, fourth] = [
      pages.open('cost'),
      pages.open('cost'),
      pages.open('usage'),
      pages.open('cost'),
    ];
    const order: string[] = [];
    const readAs = async (name: string, reading: OpenReading, count: number): Promise<void> => {
      await amountsOf(reading, body(rows(count)));
      order.push(name);
    };
    await Promise.all([
      readAs('fourth, which came first', fourth, 5_000),
      readAs('second', second, 1),
      readAs('third', third, 1),
      readAs('first', first, 1),
      readAs('second again', second, 1),
    ]);
    expect(order).toEqual(['fourth, which came first', 'first', 'second', 'second again', 'third']);
  });

  it('leaves the calling thread free while it reads fifty megabytes', async () => {
    const [start, end] = [`{"data":[{"starting_at":"${DAY}T00:00:00Z","results":[`, `${row(1)}]}],"has_more":false}`];
    const line = `{"amount":"1","description":"${'x'.repeat(300)}"},`;
    const large = Buffer.allocUnsafeSlow(
      Math.floor(50_000_000 / line.length) * line.length + start.length + end.length,
    );
    large.fill(line, start.length);
    large.write(start, 0);
    large.write(end, large.length - end.length);
    let turns = 0;
    let isRead = false;
    const turn = (): void => {
      turns += 1;
      if (!isRead) setImmediate(turn);
    };
    setImmediate(turn);
    const lines = await amountsOf(pages.open('cost'), large);
    isRead = true;
    expect(lines).toBe(Math.floor(50_000_000 / line.length) + 1);
    expect(turns).toBeGreaterThan(50);
  });

  it('knows nothing of a reading that was closed', async () => {
    const reading = pages.open('cost');
    await reading.read(body(rows(3), 'next'), ONE_DAY);
    const [waiting, other] = [pages.open('cost'), pages.open('cost')];
    const current = other.read(body(rows(3_000)), ONE_DAY);
    const late = waiting.read(body(rows(3)), ONE_DAY);
    waiting.close();
    reading.close();
    // Otherwise the thread would keep the series of these readings for ever.
    await expect(late).rejects.toThrow();
    await expect(reading.read(body(rows(3)), ONE_DAY)).rejects.toThrow();
    expect((await current).page.lines).toBe(3_000);
  });
});

describe('a page that takes too much memory', () => {
  it('is refused, and ends the readings that have begun but not those that wait', async () => {
    await pages.close();
    pages = new PageThread(PROGRAM, 24);
    const begun = pages.open('cost');
    await begun.read(body(rows(2), 'next'), ONE_DAY);
    const hungry = pages.open('cost');
    const read = hungry.read(tooLarge(), ONE_DAY);
    const waiting = pages.open('cost').read(body(rows(5)), ONE_DAY);
    const goesOn = begun.read(body(rows(2)), null);
    const outcomes = await Promise.allSettled([read, waiting, goesOn]);
    expect(outcomes).toMatchObject([
      { status: 'rejected', reason: { name: 'PageError', message: expect.stringMatching(OUT_OF_MEMORY) as string } },
      { status: 'fulfilled', value: { page: { lines: 5 } } },
      { status: 'rejected', reason: { name: 'ThreadLostError' } },
    ]);
    await expect(hungry.read(body(rows(2)), null)).rejects.toThrow(ThreadLostError);
    await expect(begun.read(body(rows(2)), ONE_DAY)).rejects.toThrow(ThreadLostError);
    expect(await amountsOf(pages.open('cost'), body(rows(4)))).toBe(4);
  });
});

describe('a thread that ends by itself', () => {
  it.each([
    ['without a word', 'process.exit(0)', 'it ended'],
    ['with an error', 'throw new Error("broken")', 'broken'],
  ])('%s fails the page that it was reading', async (_how, does, why) => {
    const broken = threadThat(does);
    const reading = broken.open('cost');
    const read = reading.read(body(rows(1)), ONE_DAY);
    await expect(read).rejects.toThrow(ThreadLostError);
    await expect(read).rejects.toThrow(why);
    await expect(reading.read(body(rows(1)), null)).rejects.toThrow(ThreadLostError);
    // Another reading has another thread, which ends as well.
    await expect(broken.open('cost').read(body(rows(1)), ONE_DAY)).rejects.toThrow(why);
    await broken.close();
  });

  it('for want of its program fails each page and says so', async () => {
    const missing = new PageThread(new URL('missing.js', BUILT));
    for (let time = 0; time < 2; time += 1) {
      await expect(missing.open('cost').read(body(rows(1)), ONE_DAY)).rejects.toThrow('Cannot find module');
    }
    await missing.close();
  });

  it('in the middle of a reading fails its next page, but not another reading', async () => {
    const page = '{ days: [], series: null, lines: 1, buckets: 0, token: "x" }';
    const answer = `parentPort.postMessage({ kind: "page", page: ${page}, spare: asked.body })`;
    const once = threadThat(`if (globalThis.has) process.exit(0); globalThis.has = true; ${answer}`);
    const reading = once.open('cost');
    expect((await reading.read(body(rows(1)), ONE_DAY)).page.token).toBe('x');
    await expect(reading.read(body(rows(1)), null)).rejects.toThrow(ThreadLostError);
    expect((await once.open('cost').read(body(rows(1)), ONE_DAY)).page.token).toBe('x');
    await once.close();
  });

  it('is no page’s fault where it fails without ending', async () => {
    const failing = threadThat('parentPort.postMessage({ kind: "failed", message: "a bug" })');
    const read = failing.open('cost').read(body(rows(1)), ONE_DAY);
    await expect(read).rejects.toThrow('The thread that reads pages failed: a bug');
    await expect(read).rejects.not.toThrow(PageError);
    await failing.close();
  });
});

describe('closing', () => {
  it('ends the thread, and fails the pages that it was asked for', async () => {
    const reads = [1, 2, 3].map(() => pages.open('cost').read(body(rows(5_000)), ONE_DAY));
    const outcomes = Promise.allSettled(reads);
    await pages.close();
    expect(await outcomes).toMatchObject(
      reads.map(() => ({ status: 'rejected', reason: { name: 'ThreadLostError' } })),
    );
    await pages.close();
  });

  it.each([
    ['after', 'await pages.close();'],
    ['without', ''],
  ])('lets the process end, also %s it', async (_when, close) => {
    const page = JSON.stringify(pageOf([bucket(DAY, rows(3))]));
    const directory = mkdtempSync(join(tmpdir(), 'meterline-test-'));
    const program = join(directory, 'program.mjs');
    writeFileSync(
      program,
      `
      import { PageThread } from ${JSON.stringify(new URL('page-reader.js', BUILT).href)};
      const pages = new PageThread(new URL(${JSON.stringify(PROGRAM.href)}));
      const text = Buffer.from(${page});
      const body = Buffer.allocUnsafeSlow(text.length);
      text.copy(body);
      const awake = setInterval(() => undefined, 1000);
      const { page } = await pages.open('cost').read(body, ${JSON.stringify(ONE_DAY)});
      clearInterval(awake);
      ${close}
      process.stdout.write(String(page.lines));
    `,
    );
    const { stdout } = await promisify(execFile)(process.execPath, [program], { timeout: 120_000 });
    rmSync(directory, { recursive: true });
    expect(stdout).toBe('3');
  });
});
