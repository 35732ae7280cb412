import { z } from 'zod';
import { contradiction } from './problems.ts';

/** The position where the next page starts, as an opaque text. */
export function encodeCursor(position: unknown): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

/** The position in a cursor. Throws `conflict` for any text that is not a cursor of this list. */
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

/** A text in a position, which Postgres must accept: no U+0000. */
export const positionText = z.string().regex(/^[^\0]*$/);

/** A page of a list and the cursor of the next one. `found` must have one row more than `limit` if there is a next page. */
export function pageOf<Row>(
  found: readonly Row[],
  limit: number,
  positionOf: (row: Row) => unknown,
): { page: readonly Row[]; next: string | null } {
  const page = found.slice(0, limit);
  const last = page.at(-1);
  return { page, next: found.length > limit && last !== undefined ? encodeCursor(positionOf(last)) : null };
}
