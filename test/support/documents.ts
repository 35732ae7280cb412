import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '../..');

/** The documents that people read, by their path in the repository. */
export const DOCUMENTS = [
  'README.md',
  'SECURITY.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

export function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** A section of a document: from its heading to the next one of the same or a higher level. */
export function section(document: string, heading: string): string {
  const lines = read(document).split('\n');
  const start = lines.findIndex((line) => line.replace(/^#+ /, '') === heading && line.startsWith('#'));
  if (start < 0) throw new Error(`${document} has no section "${heading}"`);
  const level = /^#+/.exec(lines[start] ?? '')?.[0].length ?? 1;
  const end = lines.findIndex((line, index) => index > start && new RegExp(`^#{1,${level}} `).test(line));
  return lines.slice(start, end < 0 ? undefined : end).join('\n');
}

/** The cells of each table row in a text, without the tables' heads. */
export function rowsOf(text: string): string[][] {
  const lines = text.split('\n');
  return lines
    .filter((line, index) => line.startsWith('|') && !isRule(line) && !isRule(lines[index + 1] ?? ''))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

function isRule(line: string): boolean {
  return /^\|[\s|:-]+\|$/.test(line);
}

/** Each text in backticks. */
export function literals(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, literal = '']) => literal);
}

/** The texts in backticks in the first column of a text's tables. */
export function firstLiterals(text: string): string[] {
  return rowsOf(text).flatMap(([cell = '']) => literals(cell));
}

export interface Block {
  readonly language: string;
  readonly text: string;
}

/** The fenced blocks of a text, without the indentation of the list they are in. */
export function blocksOf(text: string): Block[] {
  const found = text.matchAll(/^( *)```(\S*)\n([\s\S]*?)^\1```$/gm);
  return [...found].map(([, indent = '', language = '', body = '']) => ({
    language,
    text: body.replace(new RegExp(`^${indent}`, 'gm'), ''),
  }));
}

/** The block after the comment `<!-- test: name -->` in a document. */
export function blockOf(document: string, name: string, language = 'sql'): string {
  const [, after] = read(document).split(`<!-- test: ${name} -->\n`);
  const block = blocksOf(after ?? '').at(0);
  if (block?.language !== language) throw new Error(`${document} has no block "${name}"`);
  return block.text;
}

const SHELL = /^(?:sh|bash|zsh|shell|console)$/;

/** The blocks that people paste into a shell. */
export function shellBlocksOf(document: string): string[] {
  return blocksOf(read(document))
    .filter(({ language }) => SHELL.test(language))
    .map(({ text }) => text);
}
