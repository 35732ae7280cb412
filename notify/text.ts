import { CONTROLS, SPACES, withoutDeceit } from '../domain/characters.ts';
import type { NoticeContent } from '../domain/notices/content.ts';

const MARK = '…';
/** Stands where a notice says nothing. */
const PRODUCT = 'Meterline';
/** White space, line breaks and control characters, which become one space. */
const BLANKS = new RegExp(`[${CONTROLS}${SPACES}]+`, 'gu');
const HALVES = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** Cuts a text to a length in UTF-16 units, between characters, and marks the cut. */
export function cut(text: string, length: number): string {
  if (text.length <= length) return text;
  return `${text.slice(0, Math.max(0, length - MARK.length)).replace(/[\ud800-\udbff]$/, '')}${MARK}`;
}

/** One line of a text from outside: no control characters, nothing that hides or turns other text, no halves of characters. */
export function line(text: string, length: number): string {
  // No text needs as much as this to be read; what follows would only cost time.
  const begin = text.slice(0, length * 8);
  return cut(withoutDeceit(begin).replace(HALVES, '\ufffd').replace(BLANKS, ' ').trim(), length);
}

/** How much of a notice a channel shows. What is left out is said in words. */
export interface Limits {
  readonly facts: number;
  readonly tables: number;
  readonly columns: number;
  readonly rows: number;
  /** Of a cell, or of a fact. */
  readonly cell: number;
  readonly subject: number;
  /** Of what happened, and of what to do. */
  readonly sentence: number;
}

/** A table that may have lost rows or columns. */
export interface ShownTable {
  readonly title: string;
  readonly columns: NoticeContent['tables'][number]['columns'];
  readonly rows: readonly (readonly string[])[];
  /** Says what is missing; null if nothing is. */
  readonly missing: string | null;
}

/** A notice as lines that each channel only has to escape. */
export interface ShownNotice extends Omit<NoticeContent, 'tables'> {
  readonly tables: readonly ShownTable[];
  /** Says what is missing besides rows; null if nothing is. */
  readonly missing: string | null;
}

/** Makes a notice fit: every text is a clean line, and there are no more of them than the limits allow. */
export function shown(content: NoticeContent, limits: Limits): ShownNotice {
  const { facts, tables, link } = content;
  const text = (value: string): string => line(value, limits.cell);
  const left = [
    counted(facts.length - limits.facts, 'more fact'),
    counted(tables.length - limits.tables, 'more table'),
  ].filter((part) => part !== null);
  return {
    kind: text(content.kind),
    severity: content.severity,
    subject: line(content.subject, limits.subject) || PRODUCT,
    sentence: line(content.sentence, limits.sentence),
    action: content.action === null ? null : line(content.action, limits.sentence),
    facts: facts.slice(0, limits.facts).map(({ label, value }) => ({ label: text(label), value: text(value) })),
    tables: tables.slice(0, limits.tables).map((table) => shownTable(table, limits)),
    link: link === null ? null : { label: line(link.label, 60) || `Open ${PRODUCT}`, path: link.path },
    missing: left.length === 0 ? null : `${left.join(' and ')} ${NOT_SHOWN}`,
  };
}

const NOT_SHOWN = 'not shown here';

function shownTable({ title, columns, rows }: NoticeContent['tables'][number], limits: Limits): ShownTable {
  const left = [
    counted(rows.length - limits.rows, 'more row'),
    counted(columns.length - limits.columns, 'more column'),
  ].filter((part) => part !== null);
  const kept = columns.slice(0, limits.columns);
  return {
    title: line(title, limits.cell),
    columns: kept.map(({ name, isNumber }) => ({ name: line(name, limits.cell), isNumber })),
    // A row may be shorter or longer than it should be.
    rows: rows.slice(0, limits.rows).map((row) => kept.map((_column, at) => line(row[at] ?? '', limits.cell))),
    missing: left.length === 0 ? null : `${left.join(' and ')} ${NOT_SHOWN}`,
  };
}

function counted(count: number, what: string): string | null {
  return count <= 0 ? null : `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** The first of several forms that is small enough, or the last one. */
export function fitting<T>(forms: readonly Limits[], make: (limits: Limits) => T, fits: (made: T) => boolean): T {
  const [first, ...others] = forms;
  if (first === undefined) throw new TypeError('no form is given');
  const made = make(first);
  return others.length === 0 || fits(made) ? made : fitting(others, make, fits);
}

/** The address of a place in the console. */
export function addressOf(publicUrl: string, path: string): string {
  return new URL(path.startsWith('/#') ? path : `/#${path}`, publicUrl).href;
}
