import type { JsonClient } from '../http.ts';
import type { Stack } from '../stack/stack.ts';
import type { Console } from '../terminal/console.ts';
import { waitForMail } from './confirmation.ts';

/** What the demo's budget, forecast and anomaly are about. */
export interface Watched {
  readonly api: JsonClient;
  readonly stack: Pick<Stack, 'publicUrl' | 'mailFolder'>;
  readonly connectionId: string;
}

/** How long the demo waits for what the worker decides after a sync. */
export const DECIDED_WITHIN_MS = 30_000;
/** How often it looks. */
export const LOOK_EVERY_MS = 200;

/** A sentence with the mail of the newest notice that a query finds; none where mails leave for the world. */
export async function mailLines(
  { api, stack: { mailFolder } }: Watched,
  query: Readonly<Record<string, string>>,
): Promise<string[]> {
  if (mailFolder === null) return [];
  const found = await waitForMail(api, mailFolder, query);
  return ['missing' in found ? `Its mail: ${found.missing}` : `Its mail: ${found.mail.page}`];
}

/** As wide as the tables. */
const WIDTH = 110;

/** Prints lines after an empty one. */
export function printLines(out: Console, lines: readonly string[]): void {
  out.line();
  for (const line of lines) out.line(line === '' ? '' : `  ${line}`);
}

/** A text as lines that break between words. */
export function wrapped(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= WIDTH) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
