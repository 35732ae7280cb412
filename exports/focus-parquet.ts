import { ByteWriter, ParquetWriter, type SchemaElement } from 'hyparquet-writer';
import { columnsOf, type KnownColumn } from '../domain/focus/columns.ts';
import { metadataOf, scaleOf, type FocusFacts } from '../domain/focus/metadata.ts';
import { DECIMAL_DIGITS } from '../domain/focus/price.ts';
import { rowsWith, type FocusLine, type FocusRow } from '../domain/focus/row.ts';
import type { Decimal } from '../domain/money.ts';
import { toCanonical } from '../domain/money.ts';
import { VERSION } from '../domain/version.ts';
import type { Sink } from './sink.ts';

/** A group of rows is encoded at once, and nothing else runs meanwhile. */
const GROUP_ROWS = 2_000;
const DECIMAL_BYTES = 16;

/**
 * Writes lines as a FOCUS file in Parquet: decimals are DECIMAL(38, s), never floats, and instants are UTC timestamps in
 * milliseconds. Its key-value metadata have the sidecar as `focus.metadata`. Stops if nobody takes it any more. Throws a
 * RangeError for a decimal that does not fit.
 */
export async function writeFocusParquet(
  facts: FocusFacts,
  lines: AsyncIterable<readonly FocusLine[]>,
  sink: Sink,
): Promise<void> {
  const columns = columnsOf(facts);
  const toRows = rowsWith(columns);
  const bytes = new Flushing(sink);
  const file = new ParquetWriter({
    writer: bytes,
    schema: [
      { name: 'focus', num_children: columns.length },
      ...columns.map((column) => elementOf(column, facts.costScale)),
    ],
    createdBy: `Meterline version ${VERSION}`,
    kvMetadata: [{ key: 'focus.metadata', value: JSON.stringify(metadataOf(facts)) }],
  });
  let waiting: FocusRow[] = [];
  const writeGroup = async (): Promise<void> => {
    const columnData = columns.map((column, place) => ({
      name: column.id,
      data: waiting.map((row) => valueOf(column, row[place] ?? null, facts.costScale)),
      // Readers skip groups of rows by the days alone; statistics of 50 columns would make the file's end large.
      statistics: column.id === 'ChargePeriodStart',
      offsetIndex: false,
    }));
    const rows = waiting.length;
    waiting = [];
    await file.write({ columnData, rowGroupSize: rows });
  };
  for await (const batch of lines) {
    if (!sink.isOpen) return;
    waiting.push(...toRows(batch));
    if (waiting.length >= GROUP_ROWS) await writeGroup();
  }
  if (waiting.length > 0) await writeGroup();
  await file.finish();
  await bytes.flush();
}

/** Hands over what is written after each group of rows. */
class Flushing extends ByteWriter {
  readonly #sink: Sink;

  constructor(sink: Sink) {
    super();
    this.#sink = sink;
  }

  flush(): Promise<void> {
    const written = this.getBytes().slice();
    this.index = 0;
    return this.#sink.write(written);
  }
}

function elementOf({ id, type, isNullable }: KnownColumn, costScale: number): SchemaElement {
  const common = { name: id, repetition_type: isNullable ? ('OPTIONAL' as const) : ('REQUIRED' as const) };
  switch (type) {
    case 'Decimal': {
      const digits = { precision: DECIMAL_DIGITS, scale: scaleOf(id, costScale) };
      return {
        ...common,
        type: 'FIXED_LEN_BYTE_ARRAY',
        type_length: DECIMAL_BYTES,
        converted_type: 'DECIMAL',
        logical_type: { type: 'DECIMAL', ...digits },
        ...digits,
      };
    }
    case 'DateTime':
      return {
        ...common,
        type: 'INT64',
        converted_type: 'TIMESTAMP_MILLIS',
        logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MILLIS' },
      };
    case 'String':
    case 'JSON':
      return { ...common, type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } };
  }
}

function valueOf(column: KnownColumn, text: string | null, costScale: number): string | bigint | null {
  if (text === null) return null;
  switch (column.type) {
    case 'Decimal':
      return unscaled(toCanonical(text), scaleOf(column.id, costScale));
    case 'DateTime':
      return BigInt(Date.parse(text));
    case 'String':
    case 'JSON':
      return text;
  }
}

const LIMIT = 10n ** BigInt(DECIMAL_DIGITS);

/** A decimal as a whole number of 10^-`scale`. */
function unscaled(decimal: Decimal, scale: number): bigint {
  const [whole = '', fraction = ''] = decimal.split('.');
  const units = BigInt(whole + fraction.padEnd(scale, '0'));
  if (fraction.length > scale || units <= -LIMIT || units >= LIMIT) {
    throw new RangeError(`A decimal does not fit DECIMAL(${DECIMAL_DIGITS}, ${scale})`);
  }
  return units;
}
