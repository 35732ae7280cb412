import { z } from 'zod';
import { invalid } from './problems.ts';

const CURSOR = /^[A-Za-z0-9_-]{1,8000}$/;

/** Where the next page starts, as opaque text. */
export function encodeCursor(position: unknown): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

/** What {@link encodeCursor} was given. Text of any other origin is a fault of the request. */
export function decodeCursor<Position extends z.ZodType>(text: string, schema: Position): z.output<Position> {
  const decoded = schema.safeParse(CURSOR.test(text) ? json(text) : undefined);
  if (!decoded.success) throw invalid('query.after', 'is not the "next" of an earlier page of this list');
  return decoded.data;
}

function json(text: string): unknown {
  const plain = Buffer.from(text, 'base64url').toString();
  try {
    return JSON.parse(plain);
  } catch {
    return undefined;
  }
}

/** Text that Postgres takes, as part of a position. */
export const positionText = z.string().regex(/^[^\0]*$/);

/** A page of a list, and where the next one starts. `found` holds one row more than `limit` when there is a next one. */
export function pageOf<Row>(
  found: readonly Row[],
  limit: number,
  positionOf: (row: Row) => unknown,
): { page: readonly Row[]; next: string | null } {
  const page = found.slice(0, limit);
  const last = page.at(-1);
  return { page, next: found.length > limit && last !== undefined ? encodeCursor(positionOf(last)) : null };
}
