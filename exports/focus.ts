import type { FocusFacts } from '../domain/focus/metadata.ts';
import { DECIMAL_DIGITS } from '../domain/focus/price.ts';
import type { FocusLine } from '../domain/focus/row.ts';
import { writeFocusCsv } from './focus-csv.ts';
import { writeFocusParquet } from './focus-parquet.ts';
import type { Sink } from './sink.ts';

/** What a FOCUS file is written in; the first is the default. */
export const FOCUS_FORMATS = ['csv', 'parquet'] as const;
/** One of {@link FOCUS_FORMATS}. */
export type FocusFormat = (typeof FOCUS_FORMATS)[number];

/** Writes lines as a file. Reads none if nobody takes them, and stops if nobody does any more. */
export async function writeFocus(
  format: FocusFormat,
  facts: FocusFacts,
  lines: AsyncIterable<readonly FocusLine[]>,
  sink: Sink,
): Promise<void> {
  if (!sink.isOpen) return;
  switch (format) {
    case 'csv':
      return writeFocusCsv(facts, lines, sink);
    case 'parquet':
      return writeFocusParquet(facts, lines, sink);
  }
}

/** What a file is called. */
export function fileNameOf({ version, isAllocated, range }: FocusFacts, format: FocusFormat): string {
  return `focus-${version}${isAllocated ? '-allocated' : ''}_${range.from}_${range.to}.${format}`;
}

/**
 * Why a format cannot hold amounts with so many digits before and behind the point, in words; null if it can. Decimals of
 * CSV are as long as they need to be.
 */
export function problemWithDigits(
  format: FocusFormat,
  { wholeDigits, fractionDigits }: { readonly wholeDigits: number; readonly fractionDigits: number },
): string | null {
  if (format === 'csv' || wholeDigits + fractionDigits <= DECIMAL_DIGITS) return null;
  return `has amounts with ${wholeDigits} digits before the point and ${fractionDigits} behind it, and decimals of Parquet have ${DECIMAL_DIGITS} digits in all: take csv`;
}
