import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const profile = z.object({
  nodes: z.array(z.object({ id: z.number(), callFrame: z.object({ functionName: z.string(), url: z.string() }) })),
  samples: z.array(z.number()),
  timeDeltas: z.array(z.number()),
});

/** Processor time of the worker's main thread for one kind of work. */
export interface Part {
  readonly name: string;
  readonly seconds: number;
}

/** Kinds of work by function name and file; the first match counts. */
const PARTS: readonly (readonly [name: string, fits: RegExp])[] = [
  ['idle', /^\(idle\)/],
  ['collecting garbage', /^\(garbage collector\)/],
  [
    'rows: their fields, amounts and series',
    /dist\/pages\/(row-reader|fields|bytes|json|value-table|page|amount|.*-rows)/,
  ],
  ['new series, order and digest of a day', /dist\/(pages|domain)\/|internal\/crypto|^hash /],
  ['statements', /dist\/db\/|drizzle-orm/],
  ['the Postgres driver', /node_modules\/postgres\//],
  ['the HTTP client', /node_modules\/undici\//],
  ['Temporal', /@temporalio/],
  ['sockets and buffers', /node:(net|internal\/stream|buffer|internal\/streams)|^(writeBuffer|writeLatin1String) /],
  ['starting and the rest of Node', /.*/],
];

/** Sums up the CPU profiles of the worker's main thread and of its thread for pages by kind of work, largest first. */
export function partsOf(directory: string): Part[] {
  // The main thread's profile is the largest: the threads of Temporal's sandbox leave small ones.
  const texts = readdirSync(directory)
    .filter((file) => file.endsWith('.cpuprofile'))
    .map((file) => readFileSync(join(directory, file), 'utf8'))
    .sort((a, b) => b.length - a.length);
  const ours = texts.filter((text, index) => index === 0 || text.includes('/dist/pages/row-reader.js'));
  const sums = new Map<string, number>();
  for (const text of ours) addParts(text, sums);
  return [...sums].map(([name, seconds]) => ({ name, seconds })).sort((a, b) => b.seconds - a.seconds);
}

function addParts(text: string, sums: Map<string, number>): void {
  const { nodes, samples, timeDeltas } = profile.parse(JSON.parse(text));
  const names = new Map(nodes.map(({ id, callFrame }) => [id, partOf(`${callFrame.functionName} ${callFrame.url}`)]));
  for (const [index, node] of samples.entries()) {
    const name = names.get(node) ?? '';
    sums.set(name, (sums.get(name) ?? 0) + (timeDeltas[index] ?? 0) / 1e6);
  }
}

function partOf(frame: string): string {
  return PARTS.find(([, fits]) => fits.test(frame))?.[0] ?? '';
}
