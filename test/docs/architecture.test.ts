import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ROOT, literals, read, rowsOf, section } from '../support/documents.ts';

const PAGE = 'docs/architecture.md';

/** The rooms that lint knows, and what it lets each import. */
function roomsOfLint(): Record<string, string[]> {
  const [, rooms = ''] = /const ROOMS = \{\n([\s\S]*?)\n\};/.exec(read('eslint.config.mjs')) ?? [];
  const found = rooms.matchAll(/^ {2}(\w+): \[(.*)\],$/gm);
  return Object.fromEntries(
    [...found].map(([, room = '', allowed = '']) => [
      room,
      [...allowed.matchAll(/'(\w+)'/g)].map(([, name = '']) => name),
    ]),
  );
}

describe('the page on architecture', () => {
  test('gives every room the imports that lint allows it', () => {
    const documented = rowsOf(section(PAGE, 'Rooms')).map(([room = '', , imports = '']) => [
      (literals(room)[0] ?? '').replace('/', ''),
      literals(imports),
    ]);
    expect(Object.fromEntries(documented)).toEqual(roomsOfLint());
  });

  test('names only files and directories that exist', () => {
    const named = literals(read(PAGE).replace(/```[\s\S]*?```/g, '')).filter((literal) =>
      /^[\w./-]+(?:\/|\.(?:ts|mjs|sql|md))$/.test(literal),
    );
    expect(named.length).toBeGreaterThan(30);
    expect(named.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });
});
