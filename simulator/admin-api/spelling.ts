import { z } from 'zod';
import { shuffled } from '../random.ts';

/** What a spelling may choose from. The first of each is the usual one. */
export const SPELLINGS = {
  /** `spaced` has a space after each comma and colon, as Python's `json.dumps`; `pretty` a line for each field. */
  spacing: ['compact', 'spaced', 'pretty'],
  /** The order of the fields of a row: always the same, another one on each day, or another one in each row. */
  keys: ['usual', 'by-day', 'by-row'],
  /** A field that no reference names, in each row: a text, or an object. */
  extra: ['none', 'flat', 'nested'],
  /** The order of rows: another one at each read, or sorted by what identifies a row. */
  rows: ['shuffled', 'sorted'],
} as const;

/** How report pages spell their JSON. The data stays the same, except for the field that `extra` adds. */
export const spellingSchema = z.strictObject({
  spacing: z.enum(SPELLINGS.spacing).default('compact'),
  keys: z.enum(SPELLINGS.keys).default('usual'),
  extra: z.enum(SPELLINGS.extra).default('none'),
  /** Writes slashes, characters outside of ASCII and a few others as escapes: `\/`, `\u00e9`, `\u0026`. */
  escapes: z.boolean().default(false),
  rows: z.enum(SPELLINGS.rows).default('shuffled'),
});

export type Spelling = z.output<typeof spellingSchema>;
export type SpellingInput = z.input<typeof spellingSchema>;

/** The text between the tokens of JSON. */
export interface Separators {
  readonly comma: string;
  readonly colon: string;
  /** The start of the line that is `depth` levels in. */
  readonly line: (depth: number) => string;
}

/** A row lies in `results`, which lies in a bucket, which lies in `data`, which lies in the page. */
export const ROW_DEPTH = 4;

const NO_LINE = (): string => '';
const SEPARATORS: Readonly<Record<Spelling['spacing'], Separators>> = {
  compact: { comma: ',', colon: ':', line: NO_LINE },
  spaced: { comma: ', ', colon: ': ', line: NO_LINE },
  pretty: { comma: ',', colon: ': ', line: (depth) => `\n${'  '.repeat(depth)}` },
};
const EXTRA: Readonly<Record<Spelling['extra'], string>> = {
  none: '',
  flat: '"billing_entity":"main"',
  nested: '"billing":{"entity":"main","tags":["a","b, {c}"],"terms":{"days":30,"note":null}}',
};
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/g;
/** What PHP, Python, Go or Gson write as `\u` and four digits. */
const ESCAPED = /[<>&='\u007f-\uffff]/g;

/** The separators of a spelling. */
export function separatorsOf({ spacing }: Spelling): Separators {
  return SEPARATORS[spacing];
}

/** Spells a row of compact JSON. The seed decides the order of its fields, unless that is the usual one. */
export function spell(row: string, spelling: Spelling, seed: number): string {
  const { spacing, keys, extra, escapes } = spelling;
  if (spacing === 'compact' && keys === 'usual' && extra === 'none' && !escapes) return row;
  const fields = fieldsOf(extra === 'none' ? row : `${row.slice(0, -1)},${EXTRA[extra]}}`);
  const ordered = keys === 'usual' ? fields : shuffled(fields, seed);
  return written(['{', ...ordered.flatMap((field, index) => (index === 0 ? field : [',', ...field])), '}'], spelling);
}

/** The tokens of each field of a JSON object. */
function fieldsOf(row: string): string[][] {
  const fields: string[][] = [];
  let field: string[] = [];
  let depth = 0;
  for (const token of (row.match(TOKEN) ?? []).slice(1, -1)) {
    if (token === '{' || token === '[') depth += 1;
    if (token === '}' || token === ']') depth -= 1;
    if (token === ',' && depth === 0) {
      fields.push(field);
      field = [];
    } else field.push(token);
  }
  fields.push(field);
  return fields;
}

function written(tokens: readonly string[], spelling: Spelling): string {
  const { comma, colon, line } = separatorsOf(spelling);
  let text = '';
  let depth = ROW_DEPTH;
  for (const token of tokens) {
    if (token === '{' || token === '[') {
      depth += 1;
      text += token + line(depth);
    } else if (token === '}' || token === ']') {
      depth -= 1;
      text += line(depth) + token;
    } else if (token === ',') text += comma + line(depth);
    else if (token === ':') text += colon;
    else text += spelling.escapes && token.startsWith('"') ? escaped(token) : token;
  }
  return text;
}

/** A JSON string with the escapes that some encoders write and JSON does not need. */
function escaped(token: string): string {
  return token
    .replaceAll('/', '\\/')
    .replace(ESCAPED, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
