import { createHash } from 'node:crypto';
import { z } from 'zod';
import { contradiction, type Problem } from './problems.ts';
import { AFTER } from './schemas.ts';

/** The position where the next page starts, as an opaque text. The document has a pattern that every cursor fits. */
export function encodeCursor(position: unknown): string {
  return Buffer.from(JSON.stringify({ at: position })).toString('base64url');
}

/** The position in a cursor. Throws `conflict` for any other text that fits the pattern, such as the cursor of another list. */
export function decodeCursor<Position extends z.ZodType>(text: string, schema: Position): z.output<Position> {
  const cursor = z.strictObject({ at: z.unknown() }).safeParse(json(text));
  const decoded = schema.safeParse(cursor.data?.at);
  if (!decoded.success) throw contradiction('query.after', `is no cursor of this list; ${AFTER}`);
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

/** What tells a query from others, for its cursors: they would have no room for long filters. */
export function queryDigest(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, 16);
}

/** The `conflict` for a cursor whose {@link queryDigest} is that of another query. */
export function cursorOfAnotherQuery(): Problem {
  const remedy = 'repeat that query, or leave "after" out for the first page';
  return contradiction('query.after', `belongs to another query; ${remedy}`);
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
