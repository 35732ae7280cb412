import { z } from 'zod';
import { contradiction } from './problems.ts';

/** Where the next page starts, as opaque text. */
export function encodeCursor(position: unknown): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

/** What {@link encodeCursor} was given. Text of any other origin contradicts the list. */
export function decodeCursor<Position extends z.ZodType>(text: string, schema: Position): z.output<Position> {
  const decoded = schema.safeParse(json(text));
  if (!decoded.success) throw contradiction('query.after', 'is not the "next" of an earlier page of this list');
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
