import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

/** The block of a document that a comment `<!-- test: name -->` stands before. */
export function blockOf(document: string, name: string, language = 'sql'): string {
  const text = readFileSync(join(ROOT, document), 'utf8');
  const [, block] = new RegExp(`<!-- test: ${name} -->\\s+\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(text) ?? [];
  if (block === undefined) throw new Error(`${document} has no block "${name}"`);
  return block;
}
