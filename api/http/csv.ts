import type { FileReply } from './file.ts';

/** A column of a CSV file. Cells of numbers are written as they are; programs for tables must not read texts as formulas. */
export interface CsvColumn {
  readonly name: string;
  readonly isNumber: boolean;
}

/** A cell that has no value is null, which differs from an empty text. */
export type CsvRow = readonly (string | null)[];

/** The media type of a file. */
export const CSV_TYPE = 'text/csv; charset=utf-8; header=present';

/** A reply in CSV (RFC 4180, without a byte order mark), written bit by bit, as fast as its client reads. */
export class CsvReply {
  readonly #file: FileReply;
  #columns: readonly CsvColumn[] = [];

  constructor(file: FileReply) {
    this.#file = file;
  }

  /** Whether the client takes the file: not if it asked for the headers alone, nor once it is gone. */
  get isOpen(): boolean {
    return this.#file.isOpen;
  }

  /**
   * Begins the reply. `name` is what a browser calls the file. What fails from here on breaks the connection. Says whether
   * the client takes rows.
   */
  async begin(
    name: string,
    headers: Readonly<Record<string, string>>,
    columns: readonly CsvColumn[],
  ): Promise<boolean> {
    this.#columns = columns;
    this.#file.begin({ name, type: CSV_TYPE, headers });
    await this.#file.write(`${columns.map(({ name: header }) => quoted(header)).join(',')}\r\n`);
    return this.isOpen;
  }

  /** Writes rows, and waits until the client has taken most of them. */
  async rows(rows: readonly CsvRow[]): Promise<void> {
    const lines = rows.map((row) => this.#columns.map((column, index) => cellOf(column, row[index] ?? null)).join(','));
    await this.#file.write(lines.map((line) => `${line}\r\n`).join(''));
  }
}

function cellOf({ isNumber }: CsvColumn, value: string | null): string {
  if (value === null) return '';
  if (isNumber) return value;
  // Programs for tables run a cell that begins like this as a formula.
  return quoted(/^[=+\-@\t\r]/.test(value) ? `'${value}` : value);
}

function quoted(text: string): string {
  return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A value as JSON in ASCII, which headers can have. A bigint becomes a text. */
export function headerText(value: unknown): string {
  const json = JSON.stringify(value, (_name, inner: unknown) => (typeof inner === 'bigint' ? inner.toString() : inner));
  return json.replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
