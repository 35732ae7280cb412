import { CONTROLS, SPACES } from './characters.ts';

/** The roles of an API token: an admin may do everything, a viewer may only read. */
export const TOKEN_ROLES = ['admin', 'viewer'] as const;
export type TokenRole = (typeof TOKEN_ROLES)[number];

/** The actor of requests with the token in `METERLINE_API_TOKEN`. */
export const BOOTSTRAP = 'bootstrap';
/** The actor of sessions that began with a link. */
export const CONSOLE = 'console';
/** The actor of commands on the server. */
export const COMMAND = 'command';
/** The actor of what happens on its own. */
export const METERLINE = 'meterline';
/** The actor of a signal, from the API, whose request has an event of its own, or from a person, whom Temporal knows. */
export const TEMPORAL = 'temporal';

/** The maximum, in characters. */
export const TOKEN_NAME_LENGTH = 100;
const RESERVED: readonly string[] = [BOOTSTRAP, CONSOLE, COMMAND, METERLINE, TEMPORAL];

/** The ranges of Unicode's category Cf, in hex. These characters are invisible, so two names with them may look the same. */
const INVISIBLE =
  'ad 600-605 61c 6dd 70f 890-891 8e2 180e 200b-200f 202a-202e 2060-2064 2066-206f feff fff9-fffb 110bd 110cd 13430-1343f 1bca0-1bca3 1d173-1d17a e0001 e0020-e007f';
const HIDDEN = CONTROLS + INVISIBLE.replaceAll(/[0-9a-f]+/g, inClass).replaceAll(' ', '');

/** A character for a regular expression, as itself beyond U+FFFF, where engines differ in their escapes. */
function inClass(hex: string): string {
  return hex.length > 4 ? String.fromCodePoint(Number.parseInt(hex, 16)) : `\\u${hex.padStart(4, '0')}`;
}

/**
 * The names that a token may have, as a regular expression that JavaScript (with the flag `u`) and Python read alike: no
 * space at either end, no invisible character, no Anthropic key, and no reserved name in any case.
 */
export const TOKEN_NAME_PATTERN = `^(?![^${HIDDEN}]*sk-ant-)(?!(?:${RESERVED.map(inAnyCase).join('|')})$)[^${HIDDEN}${SPACES}](?:[^${HIDDEN}]*[^${HIDDEN}${SPACES}])?$`;

function inAnyCase(word: string): string {
  return Array.from(word, (letter) => `[${letter.toUpperCase()}${letter}]`).join('');
}

const NAME = new RegExp(TOKEN_NAME_PATTERN, 'u');
const UNFIT = new RegExp(`[${HIDDEN}]|\\p{Cs}`, 'u');

/** What is wrong with the name of a token, which events show as their actor; null if nothing is. */
export function problemWithTokenName(name: string): string | null {
  if (name === '' || name !== name.trim()) return 'must not be empty, nor begin or end with a space';
  if (Array.from(name).length > TOKEN_NAME_LENGTH) return `must be at most ${TOKEN_NAME_LENGTH} characters`;
  if (UNFIT.test(name)) return 'must not contain control characters';
  // Names are shown and logged in the clear, and people paste keys into the wrong field.
  if (name.includes('sk-ant-')) return 'must not contain a key';
  if (!NAME.test(name)) return `must not be a reserved name: ${RESERVED.join(', ')}`;
  return null;
}
