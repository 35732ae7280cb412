import { HIDDEN, SPACES } from './characters.ts';

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

/** Looks like a secret of this API: a token, a link's or a session's. For a regular expression. */
export const SECRET_PATTERN = 'meterline(?:-link|-session)?_[A-Za-z0-9_-]{32}';

/**
 * The names that a token may have, as a regular expression that JavaScript (with the flag `u`) and Python read alike: no
 * space at either end, no invisible character, no Anthropic key, no secret of this API, and no reserved name in any case.
 */
export const TOKEN_NAME_PATTERN = `^(?![^${HIDDEN}]*(?:sk-ant-|${SECRET_PATTERN}))(?!(?:${RESERVED.map(inAnyCase).join('|')})$)[^${HIDDEN}${SPACES}](?:[^${HIDDEN}]*[^${HIDDEN}${SPACES}])?$`;

function inAnyCase(word: string): string {
  return Array.from(word, (letter) => `[${letter.toUpperCase()}${letter}]`).join('');
}

const NAME = new RegExp(TOKEN_NAME_PATTERN, 'u');
const SECRET = new RegExp(SECRET_PATTERN);
const UNFIT = new RegExp(`[${HIDDEN}]|\\p{Cs}`, 'u');

/** What is wrong with the name of a token, which events show as their actor; null if nothing is. */
export function problemWithTokenName(name: string): string | null {
  if (name === '' || name !== name.trim()) return 'must not be empty, nor begin or end with a space';
  if (Array.from(name).length > TOKEN_NAME_LENGTH) return `must be at most ${TOKEN_NAME_LENGTH} characters`;
  if (UNFIT.test(name)) return 'must not contain control characters';
  // Names are shown and logged in the clear, and people paste keys into the wrong field.
  if (name.includes('sk-ant-')) return 'must not contain a key';
  if (SECRET.test(name)) return 'must not contain a token';
  if (!NAME.test(name)) return `must not be a reserved name: ${RESERVED.join(', ')}`;
  return null;
}
