/** What a token of the HTTP API may do: everything, or only read. */
export const TOKEN_ROLES = ['admin', 'viewer'] as const;
/** One of {@link TOKEN_ROLES}. */
export type TokenRole = (typeof TOKEN_ROLES)[number];

/** Who acts with the token that `METERLINE_API_TOKEN` sets. */
export const BOOTSTRAP = 'bootstrap';
/** Who acts by a command on the server. */
export const COMMAND = 'command';
/** Who did what happened on its own. */
export const METERLINE = 'meterline';

/** The longest name of a token, in characters. */
export const TOKEN_NAME_LENGTH = 100;
const RESERVED: readonly string[] = [BOOTSTRAP, COMMAND, METERLINE];

const CONTROLS = '\\u0000-\\u001f\\u007f-\\u009f';
/** What `trim()` takes away, but for control characters. */
const SPACES = ' \\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\ufeff';
/** Characters of Unicode's category Cf, which nobody sees, so that two names may look the same. First and last of each run. */
const UNSEEN: readonly (readonly [first: number, last: number])[] = [
  ...([
    [0xad, 0xad],
    [0x600, 0x605],
    [0x61c, 0x61c],
    [0x6dd, 0x6dd],
    [0x70f, 0x70f],
    [0x890, 0x891],
  ] as const),
  ...([
    [0x8e2, 0x8e2],
    [0x180e, 0x180e],
    [0x200b, 0x200f],
    [0x202a, 0x202e],
    [0x2060, 0x2064],
  ] as const),
  ...([
    [0x2066, 0x206f],
    [0xfeff, 0xfeff],
    [0xfff9, 0xfffb],
    [0x110bd, 0x110bd],
    [0x110cd, 0x110cd],
  ] as const),
  ...([
    [0x13430, 0x1343f],
    [0x1bca0, 0x1bca3],
    [0x1d173, 0x1d17a],
    [0xe0001, 0xe0001],
    [0xe0020, 0xe007f],
  ] as const),
];
const HIDDEN = CONTROLS + UNSEEN.map(run).join('');

function run([first, last]: readonly [number, number]): string {
  return first === last ? inClass(first) : `${inClass(first)}-${inClass(last)}`;
}

/** A character of a regular expression. No escape for those beyond U+FFFF means the same to every engine. */
function inClass(code: number): string {
  return code > 0xffff ? String.fromCodePoint(code) : `\\u${code.toString(16).padStart(4, '0')}`;
}

/**
 * The names that a token may have, as a regular expression that JavaScript (with the flag `u`) and Python read alike: no
 * space at either end, no character that nobody sees, none of the reserved names in any case.
 */
export const TOKEN_NAME_PATTERN = `^(?!(?:${RESERVED.map(inAnyCase).join('|')})$)[^${HIDDEN}${SPACES}](?:[^${HIDDEN}]*[^${HIDDEN}${SPACES}])?$`;

function inAnyCase(word: string): string {
  return Array.from(word, (letter) => `[${letter.toUpperCase()}${letter}]`).join('');
}

const NAME = new RegExp(TOKEN_NAME_PATTERN, 'u');
const UNFIT = new RegExp(`[${HIDDEN}]|\\p{Cs}`, 'u');

/** What is wrong with a name for a token, which events show as who did something; null when it may be one. */
export function faultOfTokenName(name: string): string | null {
  if (name === '' || name !== name.trim()) return 'must not be empty, nor begin or end with a space';
  if (Array.from(name).length > TOKEN_NAME_LENGTH) return `must be at most ${TOKEN_NAME_LENGTH} characters`;
  if (UNFIT.test(name)) return 'must not hold control characters';
  if (!NAME.test(name)) return `must not be any of ${RESERVED.join(', ')}`;
  return null;
}
