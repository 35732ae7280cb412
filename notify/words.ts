import { HIDDEN } from '../domain/characters.ts';
import { redact } from '../runtime/redact.ts';
import { cut } from './text.ts';

const LONGEST_REPLY = 300;
/** A shorter part of an address is too common a word to be a secret. */
const SHORTEST_PART = 6;

/** Makes words of the other side safe to store and to show. */
export type Cleaned = (words: string) => string;

/** A {@link Cleaned} that strikes out secrets, in the spellings in which a reply may quote a request. */
export function cleanedOf(secrets: readonly string[]): Cleaned {
  const known = [...new Set(secrets.flatMap(spellingsOf))].sort((a, b) => b.length - a.length);
  const hidden = new RegExp(`[${HIDDEN}\\s]+`, 'gu');
  return (words) => {
    const redacted = known.reduce((text, secret) => redact(text, secret), words);
    const plain = redacted.replaceAll(hidden, ' ').trim();
    return cut(plain, LONGEST_REPLY);
  };
}

function spellingsOf(secret: string): string[] {
  const json = JSON.stringify(secret).slice(1, -1);
  const spellings = [secret, encodeURIComponent(secret), json, secret.replaceAll('/', String.raw`\/`)];
  const base64 = [0, 1, 2].map((lead) => base64Of(Buffer.from(secret), lead));
  return [...spellings, ...base64].filter((text) => text.length >= SHORTEST_PART);
}

/** The characters of base64 that only these bytes decide, where `lead` bytes of a group of three stand before them. */
function base64Of(bytes: Buffer, lead: number): string {
  const text = Buffer.concat([Buffer.alloc(lead), bytes]).toString('base64');
  return text.slice(Math.ceil((lead * 4) / 3), Math.floor(((lead + bytes.length) * 4) / 3));
}

/** The secrets in the address of a webhook: its path and query, whole and in their parts. Its host is none. */
export function secretsOfUrl({ pathname, search }: URL): string[] {
  const parts = `${pathname}${search}`.split(/[/?&=]/).flatMap((part) => [part, decoded(part)]);
  return [pathname + search, ...parts].filter((part) => part.length >= SHORTEST_PART);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
