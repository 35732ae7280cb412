import { parse } from 'csv-parse/sync';
import { parquetMetadata, parquetReadObjects, type FileMetaData, type SchemaElement } from 'hyparquet';

/** A row of a file: the text of each column, null where it has no value. */
export type Cells = Readonly<Record<string, string | null>>;

/** A file as somebody else's program reads it. */
export interface ReadFile {
  readonly columns: readonly string[];
  readonly rows: readonly Cells[];
}

/** Reads a file in CSV. */
export function readCsv(text: string): ReadFile {
  const [columns = [], ...lines] = parse(text, { record_delimiter: '\r\n', relax_column_count: false });
  return {
    columns,
    rows: lines.map((line) =>
      Object.fromEntries(columns.map((name, at) => [name, line[at] === '' ? null : (line[at] ?? null)])),
    ),
  };
}

/** What a file in Parquet says about itself. */
export function metadataOf(bytes: ArrayBuffer): FileMetaData {
  return parquetMetadata(bytes);
}

/** Reads a file in Parquet, with all digits of its decimals, which the reader itself would turn into floats. */
export async function readParquet(bytes: ArrayBuffer): Promise<ReadFile> {
  const metadata = metadataOf(bytes);
  const [, ...elements] = metadata.schema;
  const scales = new Map(
    elements.flatMap(({ name, converted_type, scale }) => (converted_type === 'DECIMAL' ? [[name, scale ?? 0]] : [])),
  );
  const schema = metadata.schema.map((element) => {
    if (!scales.has(element.name)) return element;
    return { name: element.name, ...pick(element) };
  });
  const found = await parquetReadObjects({ file: bytes, metadata: { ...metadata, schema }, utf8: false });
  const columns = elements.map(({ name }) => name);
  return {
    columns,
    rows: found.map((row) => Object.fromEntries(columns.map((name) => [name, textOf(row[name], scales.get(name))]))),
  };
}

/** What says how the bytes of an element lie, without what says what they mean. */
function pick({ type, type_length, repetition_type }: SchemaElement): Omit<SchemaElement, 'name'> {
  return {
    ...(type === undefined ? {} : { type }),
    ...(type_length === undefined ? {} : { type_length }),
    ...(repetition_type === undefined ? {} : { repetition_type }),
  };
}

function textOf(value: unknown, scale: number | undefined): string | null {
  if (value === null || value === undefined) return null;
  if (value instanceof Date) return value.toISOString().replace('.000Z', 'Z');
  if (typeof value === 'string') return value;
  if (!(value instanceof Uint8Array) || scale === undefined) throw new Error(`an unexpected value: ${typeof value}`);
  const unsigned = value.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  const units = BigInt.asIntN(value.length * 8, unsigned);
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, '0');
  const whole = digits.slice(0, digits.length - scale);
  const fraction = digits.slice(digits.length - scale).replace(/0+$/, '');
  return `${units < 0n ? '-' : ''}${whole}.${fraction === '' ? '0' : fraction}`;
}
