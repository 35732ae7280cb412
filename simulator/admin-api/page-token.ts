import { hashText, mix } from '../random.ts';
import { ApiError } from './api-error.ts';

/** Where a read continues, and what about it must not change between pages. */
export interface Position {
  /** The bucket that the next page starts with, and how many of its rows earlier pages had. */
  readonly atMs: number;
  readonly offset: number;
  readonly endMs: number;
  /** Decides the order of rows, so that a bucket that is split over pages keeps its order. */
  readonly shuffleSeed: number;
  /** The number of the page. The first is 1. */
  readonly page: number;
}

const PREFIX = 'page_';
const CHECKSUM_SEED = 0x70616765;

/** An opaque token for a position. It is valid only for the query with this identity. */
export function makePageToken(position: Position, identity: string): string {
  const fields = [position.atMs, position.offset, position.endMs, position.shuffleSeed, position.page];
  const content = [...fields, hashText(identity)].join('.');
  return PREFIX + Buffer.from(`${content}.${checksum(content)}`).toString('base64url');
}

/** The position in a token. Throws ApiError for a token that the simulator never gave, or gave for another query. */
export function readPageToken(token: string, identity: string): Position {
  const [atMs, offset, endMs, shuffleSeed, page, identityHash] = decode(token) ?? [];
  if (
    atMs === undefined ||
    offset === undefined ||
    endMs === undefined ||
    shuffleSeed === undefined ||
    page === undefined
  ) {
    throw new ApiError(400, 'page: Invalid page token', 'page_token');
  }
  if (identityHash !== hashText(identity)) {
    throw new ApiError(400, 'page: The page token belongs to another query', 'page_token');
  }
  return { atMs, offset, endMs, shuffleSeed, page };
}

/** The number of the page that a token leads to: 1 without a token, null for an invalid one. */
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
  return mix(hashText(content), CHECKSUM_SEED);
}
