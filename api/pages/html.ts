import { createHash } from 'node:crypto';

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text as a part of an HTML page, in an element or in a quoted attribute. */
export function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

/** What a content security policy calls a style element with exactly this text. */
export function hashOf(style: string): `'sha256-${string}'` {
  return `'sha256-${createHash('sha256').update(style).digest('base64')}'`;
}
