import { createHash } from 'node:crypto';

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Escapes a text for an element or a quoted attribute of an HTML page. */
export function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

/** The source of exactly this style element in a content security policy. */
export function hashOf(style: string): `'sha256-${string}'` {
  return `'sha256-${createHash('sha256').update(style).digest('base64')}'`;
}
