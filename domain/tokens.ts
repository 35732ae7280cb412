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

const NAME_LENGTH = 100;
const RESERVED: readonly string[] = [BOOTSTRAP, COMMAND, METERLINE, TEMPORAL];

/** What is wrong with a name for a token, which events show as who did something; null when it may be one. */
export function faultOfTokenName(name: string): string | null {
  if (name === '' || name !== name.trim()) return 'must not be empty, nor begin or end with a space';
  if (name.length > NAME_LENGTH) return `must be at most ${NAME_LENGTH} characters`;
  if (/[\p{Cc}\p{Cf}\p{Cs}]/u.test(name)) return 'must not hold control characters';
  if (RESERVED.includes(name.toLowerCase())) return `must not be any of ${RESERVED.join(', ')}`;
  return null;
}
