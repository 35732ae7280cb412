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
/** Who sent a signal: this API, whose requests are events of their own, or somebody in Temporal, which knows who. */
export const TEMPORAL = 'temporal';

/** The longest name of a token, in characters. */
export const TOKEN_NAME_LENGTH = 100;
const RESERVED: readonly string[] = [BOOTSTRAP, COMMAND, METERLINE, TEMPORAL];

const CONTROLS = '\\u0000-\\u001f\\u007f-\\u009f';
/** What `trim()` takes away, but for control characters. */
const SPACES = ' \\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\ufeff';
/** Runs of Unicode's category Cf, in hex. Nobody sees these characters, so with one of them two names may look the same. */
const UNSEEN =
  'ad 600-605 61c 6dd 70f 890-891 8e2 180e 200b-200f 202a-202e 2060-2064 2066-206f feff fff9-fffb 110bd 110cd 13430-1343f 1bca0-1bca3 1d173-1d17a e0001 e0020-e007f';
const HIDDEN = CONTROLS + UNSEEN.replaceAll(/[0-9a-f]+/g, inClass).replaceAll(' ', '');

/** A character of a regular expression. No escape for those beyond U+FFFF means the same to every engine. */
function inClass(hex: string): string {
  return hex.length > 4 ? String.fromCodePoint(Number.parseInt(hex, 16)) : `\\u${hex.padStart(4, '0')}`;
}

/**
 * The names that a token may have, as a regular expression that JavaScript (with the flag `u`) and Python read alike: no
 * space at either end, no character that nobody sees, no key of Anthropic, none of the reserved names in any case.
 */
export const TOKEN_NAME_PATTERN = `^(?![^${HIDDEN}]*sk-ant-)(?!(?:${RESERVED.map(inAnyCase).join('|')})$)[^${HIDDEN}${SPACES}](?:[^${HIDDEN}]*[^${HIDDEN}${SPACES}])?$`;

function inAnyCase(word: string): string {
  return Array.from(word, (letter) => `[${letter.toUpperCase()}${letter}]`).join('');
}

const NAME = new RegExp(TOKEN_NAME_PATTERN, 'u');
const UNFIT = new RegExp(`[${HIDDEN}]|\\p{Cs}`, 'u');

/** What is wrong with a name for a token, which events show as who did something; null when it may be one. */
export function problemWithTokenName(name: string): string | null {
  if (name === '' || name !== name.trim()) return 'must not be empty, nor begin or end with a space';
  if (Array.from(name).length > TOKEN_NAME_LENGTH) return `must be at most ${TOKEN_NAME_LENGTH} characters`;
  if (UNFIT.test(name)) return 'must not hold control characters';
  // It is shown and logged in the clear, and somebody will paste the key into the wrong field one day.
  if (name.includes('sk-ant-')) return 'must not hold a key';
  if (!NAME.test(name)) return `must not be any of ${RESERVED.join(', ')}`;
  return null;
}
