import { columnsOf, type FocusProfile, type KnownColumn } from '../domain/focus/columns.ts';
import { rowsWith, type FocusLine, type FocusRow } from '../domain/focus/row.ts';
import type { Sink } from './sink.ts';

/**
 * Writes lines as a FOCUS file in CSV (RFC 4180, without a byte order mark): null is an empty field, decimals have a point,
 * texts are as they were reported. Stops if nobody takes it any more.
 */
export async function writeFocusCsv(
  profile: FocusProfile,
  lines: AsyncIterable<readonly FocusLine[]>,
  sink: Sink,
): Promise<void> {
  const columns = columnsOf(profile);
  const toRows = rowsWith(columns);
  await sink.write(`${columns.map(({ id }) => id).join(',')}\r\n`);
  for await (const batch of lines) {
    if (!sink.isOpen) return;
    await sink.write(
      toRows(batch)
        .map((row) => recordOf(columns, row))
        .join(''),
    );
  }
}

function recordOf(columns: readonly KnownColumn[], row: FocusRow): string {
  return `${columns.map((column, place) => cellOf(column, row[place] ?? null)).join(',')}\r\n`;
}

function cellOf({ type }: KnownColumn, value: string | null): string {
  if (value === null) return '';
  // Programs take a column of whole numbers for one of integers, which decimals are not.
  if (type === 'Decimal') return value.includes('.') ? value : `${value}.0`;
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}
