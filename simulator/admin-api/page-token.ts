import { hashText, mix } from '../random.ts';
import { Refusal } from './api-error.ts';

/** Where a read goes on, and everything about it that must not change meanwhile. */
export interface Position {
  /** The bucket to go on with, and how many of its rows were served. */
  readonly atMs: number;
  readonly offset: number;
  readonly endMs: number;
  /** Decides the order of rows, so that a bucket split over pages keeps its order. */
  readonly shuffleSeed: number;
  /** The first page is 1. */
  readonly page: number;
}

const PREFIX = 'page_';

/** An opaque token for a position, bound to the query by its identity. */
export function makePageToken(position: Position, identity: string): string {
  const fields = [position.atMs, position.offset, position.endMs, position.shuffleSeed, position.page];
  const content = [...fields, hashText(identity)].join('.');
  return PREFIX + Buffer.from(`${content}.${checksum(content)}`).toString('base64url');
}

/** The position in a token; refused when made up or bound to another query. */
export function readPageToken(token: string, identity: string): Position {
  const fields = decode(token);
  const [atMs, offset, endMs, shuffleSeed, page, bound] = fields ?? [];
  if (
    atMs === undefined ||
    offset === undefined ||
    endMs === undefined ||
    shuffleSeed === undefined ||
    page === undefined
  ) {
    throw new Refusal(400, 'page: Invalid page token', 'page_token');
  }
  if (bound !== hashText(identity)) {
    throw new Refusal(400, 'page: The page token belongs to another query', 'page_token');
  }
  return { atMs, offset, endMs, shuffleSeed, page };
}

/** The number of the page that a token stands for; null for a token that is not one of ours. */
export function pageNumberOf(token: string | null): number | null {
  return token === null ? 1 : (decode(token)?.[4] ?? null);
}

function decode(token: string): number[] | null {
  if (!token.startsWith(PREFIX)) return null;
  const text = Buffer.from(token.slice(PREFIX.length), 'base64url').toString('latin1');
  const end = text.lastIndexOf('.');
  const content = text.slice(0, Math.max(end, 0));
  return text.slice(end + 1) === String(checksum(content)) ? content.split('.').map(Number) : null;
}

function checksum(content: string): number {
  return mix(hashText(content), 0x70616765);
}
