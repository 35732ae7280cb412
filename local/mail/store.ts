import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** How much of what was sent is kept. The oldest mails go first. */
export interface MailBounds {
  readonly mails: number;
  /** Of all files together. */
  readonly bytes: number;
}

export const MAIL_BOUNDS: MailBounds = { mails: 1_000, bytes: 100 * 1024 * 1024 };

/** Where a mail lies: as it was sent, and as a page for a browser. */
export interface KeptMail {
  readonly eml: string;
  readonly page: string;
}

const UNFINISHED = '.part';
const KINDS = ['.eml', '.html'] as const;
const ID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/;
const MESSAGE_ID = new RegExp(`^message-id:\\s*<(${ID.source})@`, 'im');
const LONGEST_HEAD = 64 * 1024;

/** The folder in the data directory where the sink keeps mails. */
export function mailFolderOf(dataDir: string): string {
  return join(dataDir, 'mail');
}

/** Makes the folder of mails, for its owner only, and removes what an earlier run left unfinished. */
export function openMailFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const file of readdirSync(folder)) {
    if (file.endsWith(UNFINISHED)) rmSync(join(folder, file), { force: true });
  }
}

/**
 * Keeps a mail as two files, each of which appears whole or not at all. Their name is the time and the id of the delivery,
 * and nothing else of what the mail says. Throws the operating system's error, and then keeps neither.
 */
export function keepMail(
  folder: string,
  mail: { readonly source: Buffer; readonly page: string; readonly atMs: number },
  bounds = MAIL_BOUNDS,
): KeptMail {
  const at = new Date(mail.atMs).toISOString().slice(0, 19).replaceAll(':', '-');
  const base = join(folder, `${at}-${deliveryIdIn(mail.source) ?? randomUUID()}`);
  const kept = { eml: `${base}.eml`, page: `${base}.html` };
  const files = [
    [kept.page, mail.page],
    [kept.eml, mail.source],
  ] as const;
  try {
    for (const [path, content] of files) writeFileSync(path + UNFINISHED, content, { mode: 0o600, flush: true });
    for (const [path] of files) renameSync(path + UNFINISHED, path);
  } catch (error) {
    for (const [path] of files) {
      rmSync(path + UNFINISHED, { force: true });
      rmSync(path, { force: true });
    }
    throw error;
  }
  dropOldest(folder, bounds);
  return kept;
}

/** Where the mail of a delivery lies; null if it is not there (yet). */
export function findMail(folder: string, deliveryId: string): KeptMail | null {
  const name = namesIn(folder).findLast((each) => each.endsWith(deliveryId));
  return name === undefined ? null : { eml: join(folder, `${name}.eml`), page: join(folder, `${name}.html`) };
}

/** Our door puts the id of the delivery into the id of the message. */
function deliveryIdIn(source: Buffer): string | null {
  const [head = ''] = source.subarray(0, LONGEST_HEAD).toString('latin1').split('\r\n\r\n');
  return MESSAGE_ID.exec(head)?.[1]?.toLowerCase() ?? null;
}

/** The names of whole mails without their endings, the oldest first. */
function namesIn(folder: string): string[] {
  const files = new Set(filesIn(folder));
  return [...files]
    .filter((file) => file.endsWith('.eml') && files.has(file.replace(/eml$/, 'html')))
    .map((file) => file.slice(0, -'.eml'.length))
    .sort();
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

function dropOldest(folder: string, bounds: MailBounds): void {
  const names = namesIn(folder).map((name) => ({ name, bytes: bytesOf(join(folder, name)) }));
  let bytes = names.reduce((sum, each) => sum + each.bytes, 0);
  let mails = names.length;
  for (const { name, bytes: own } of names.slice(0, -1)) {
    if (mails <= bounds.mails && bytes <= bounds.bytes) return;
    for (const kind of KINDS) rmSync(join(folder, name + kind), { force: true });
    bytes -= own;
    mails -= 1;
  }
}

function bytesOf(path: string): number {
  return KINDS.reduce((sum, kind) => sum + (statSync(path + kind, { throwIfNoEntry: false })?.size ?? 0), 0);
}
