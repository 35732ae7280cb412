/** Something that must not be found. Of it is searched what nobody may know: not its public beginning, nor its hint. */
export interface Secret {
  readonly name: string;
  readonly hidden: Buffer;
}

/** Where a secret was found: never the secret itself, since a failing test is shown. */
export interface Finding {
  readonly secret: string;
  readonly spelling: Spelling;
  readonly place: string;
  readonly at: number;
  readonly bytes: number;
}

const KEY_PREFIX = 'sk-ant-admin01-';
const HINT_LENGTH = 4;
/** Whatever is at least this long of a spelling counts as found. */
export const SHORTEST = 16;
/** Every stretch of {@link SHORTEST} bytes holds a whole gram at one of the places that are looked at. */
const GRAM = 8;
const STRIDE = SHORTEST - GRAM + 1;

/** An Admin API key: its beginning is public, and its last four characters are its hint. */
export function adminKey(name: string, key: string): Secret {
  const from = key.startsWith(KEY_PREFIX) ? KEY_PREFIX.length : 0;
  return secret(name, Buffer.from(key.slice(from, -HINT_LENGTH)));
}

/** A secret of which nothing may be known but its public beginning. */
export function secret(name: string, whole: string | Buffer, prefix = ''): Secret {
  const hidden = Buffer.from(whole).subarray(prefix.length);
  if (hidden.length < SHORTEST) throw new RangeError(`"${name}" is too short to be told from other text`);
  return { name, hidden };
}

/** How a secret may be written. Each spelling is given as far as it does not depend on what stands around it. */
const SPELLINGS = {
  plain: (bytes) => [bytes],
  'hex, small': (bytes) => [Buffer.from(bytes.toString('hex'))],
  'hex, capital': (bytes) => [Buffer.from(bytes.toString('hex').toUpperCase())],
  base64: (bytes) => [0, 1, 2].map((lead) => Buffer.from(base64(bytes, lead))),
  base64url: (bytes) =>
    [0, 1, 2].map((lead) => Buffer.from(base64(bytes, lead).replaceAll('+', '-').replaceAll('/', '_'))),
  'in a URL': (bytes) => [Buffer.from(encodeURIComponent(bytes.toString('latin1')))],
  'every byte in a URL': (bytes) => [
    Buffer.from(`%${(bytes.toString('hex').toUpperCase().match(/../g) ?? []).join('%')}`),
  ],
  'in JSON': (bytes) => [Buffer.from(JSON.stringify(bytes.toString('latin1')).slice(1, -1))],
  'UTF-16': (bytes) => [Buffer.from(bytes.toString('latin1'), 'utf16le')],
  reversed: (bytes) => [Buffer.from(bytes).reverse()],
} satisfies Record<string, (bytes: Buffer) => Buffer[]>;

/** One of the ways to write a secret. */
export type Spelling = keyof typeof SPELLINGS;
export const SPELLING_NAMES = Object.keys(SPELLINGS) as Spelling[];

/** The characters of base64 that only these bytes decide, where `lead` bytes of a group of three stand before them. */
function base64(bytes: Buffer, lead: number): string {
  const text = Buffer.concat([Buffer.alloc(lead), bytes]).toString('base64');
  return text.slice(Math.ceil((lead * 4) / 3), Math.floor(((lead + bytes.length) * 4) / 3));
}

interface Needle {
  readonly secret: string;
  readonly spelling: Spelling;
  readonly bytes: Buffer;
}

/** Searches bytes for all secrets in all spellings at once, in about the time that it takes to read them. */
export class Search {
  readonly #needles: Needle[] = [];
  readonly #grams = new Map<number, { needle: Needle; offset: number }[]>();
  /** Whether a hash of a gram is one of ours, a bit each: nearly all of what is looked at ends here. */
  readonly #known = new Uint8Array(2 ** 21);

  constructor(secrets: readonly Secret[]) {
    for (const { name, hidden } of secrets) {
      for (const spelling of SPELLING_NAMES) {
        for (const bytes of SPELLINGS[spelling](hidden)) this.#add({ secret: name, spelling, bytes });
      }
    }
  }

  #add(needle: Needle): void {
    if (this.#needles.some(({ bytes, secret: known }) => known === needle.secret && bytes.equals(needle.bytes))) return;
    this.#needles.push(needle);
    for (let offset = 0; offset + GRAM <= needle.bytes.length; offset += 1) {
      const hash = hashAt(needle.bytes, offset);
      this.#known[hash >>> 3] = (this.#known[hash >>> 3] ?? 0) | (1 << (hash & 7));
      const same = this.#grams.get(hash);
      if (same === undefined) this.#grams.set(hash, [{ needle, offset }]);
      else same.push({ needle, offset });
    }
  }

  /** What is found of each secret, once per spelling, and the longest stretch of it. */
  in(place: string, text: Buffer | string): Finding[] {
    const bytes = typeof text === 'string' ? Buffer.from(text) : text;
    const found = new Map<string, Finding>();
    for (let at = 0; at + GRAM <= bytes.length; at += STRIDE) {
      const hash = hashAt(bytes, at);
      if (((this.#known[hash >>> 3] ?? 0) & (1 << (hash & 7))) === 0) continue;
      for (const { needle, offset } of this.#grams.get(hash) ?? []) {
        const stretch = stretchAround(bytes, at, needle.bytes, offset);
        if (stretch.length < SHORTEST) continue;
        const key = `${needle.secret} ${needle.spelling}`;
        if ((found.get(key)?.bytes ?? 0) >= stretch.length) continue;
        const { secret: name, spelling } = needle;
        found.set(key, { secret: name, spelling, place, at: stretch.from, bytes: stretch.length });
      }
    }
    return [...found.values()];
  }
}

function hashAt(bytes: Buffer, at: number): number {
  const mixed = Math.imul(bytes.readUInt32LE(at), 0x9e3779b1) ^ Math.imul(bytes.readUInt32LE(at + 4), 0x85ebca6b);
  return (mixed ^ (mixed >>> 15)) >>> 8;
}

/** How far text and needle are the same around a place in each. */
function stretchAround(text: Buffer, at: number, needle: Buffer, offset: number): { from: number; length: number } {
  let before = 0;
  while (before < Math.min(at, offset) && text[at - before - 1] === needle[offset - before - 1]) before += 1;
  let after = 0;
  while (after < Math.min(text.length - at, needle.length - offset) && text[at + after] === needle[offset + after])
    after += 1;
  return { from: at - before, length: before + after };
}

/** Every text and every piece of bytes in a value, however deep, one per line: what a reply of Temporal holds. */
export function textsOf(value: unknown): Buffer {
  const found: Uint8Array[] = [];
  const seen = new Set<object>();
  const walk = (each: unknown): void => {
    if (typeof each === 'string') found.push(Buffer.from(each), LINE_BREAK);
    else if (each instanceof Uint8Array) found.push(each, LINE_BREAK);
    else if (typeof each === 'object' && each !== null && !seen.has(each)) {
      seen.add(each);
      for (const [name, inner] of each instanceof Map ? each : Object.entries(each)) {
        walk(name);
        walk(inner);
      }
    }
  };
  walk(value);
  return Buffer.concat(found);
}

const LINE_BREAK = Buffer.from('\n');
