/** The life of a stored Admin API key. `superseded` serves again should its successor be rejected unproven. */
export const KEY_STATES = ['candidate', 'active', 'superseded', 'refused', 'destroyed'] as const;
/** One of {@link KEY_STATES}. In the last two the ciphertext is gone. */
export type KeyState = (typeof KEY_STATES)[number];

/**
 * Why a ciphertext was destroyed: a later key proved itself or overtook it, nobody asked to use it in time, somebody
 * discarded it, or its connection ended. A refused key carries its fault instead.
 */
export const KEY_ENDS = ['replaced', 'overtaken', 'unused', 'discarded', 'connection_ended'] as const;
/** One of {@link KEY_ENDS}. */
export type KeyEnd = (typeof KEY_ENDS)[number];

/** A candidate that nobody signalled is destroyed after this long. */
export const CANDIDATE_LIFETIME_MS = 24 * 3_600_000;

const MIN_LENGTH = 24;
const MAX_LENGTH = 256;

/** Whether a text has the shape of an Admin API key, and why not. */
export type KeyShape = { readonly ok: true } | { readonly ok: false; readonly why: string };

/** Keys have letters, digits, `-` and `_`; other credentials of Anthropic may have what tokens have. */
const CHARACTERS = 'A-Za-z0-9_.~+/=:|-';
const KEY = new RegExp(`^[${CHARACTERS}]+$`);

/** What {@link checkKeyShape} takes, as a regular expression that JavaScript and Python read alike. */
export const KEY_PATTERN = `^(?!sk-ant-api)[${CHARACTERS}]{${MIN_LENGTH},${MAX_LENGTH}}$`;

/**
 * Checks the shape of an Admin API key before anything is sent anywhere. The reason never quotes the text.
 * Source: Admin keys start with `sk-ant-admin` (today `sk-ant-admin01-`), workspace keys with `sk-ant-api`, keys of
 * claude.ai for Enterprise with `sk-ant-api01-`. Anthropic documents other keys that read organization data without their
 * prefix, so one of another prefix is for Anthropic to judge.
 */
export function checkKeyShape(key: string): KeyShape {
  if (key.startsWith('sk-ant-api01-')) {
    return no(
      'This is a key of claude.ai for Enterprise ("sk-ant-api01-…"), which carries scopes and does not read cost and usage reports. An Admin API key ("sk-ant-admin…") is needed; an organization admin creates it in the Claude Console under Settings, Admin keys.',
    );
  }
  if (key.startsWith('sk-ant-api')) {
    return no(
      'This is a workspace key ("sk-ant-api…"), which cannot read organization data. An Admin API key ("sk-ant-admin…") is needed; an organization admin creates it in the Claude Console under Settings, Admin keys.',
    );
  }
  if (!/^[\x21-\x7e]*$/.test(key)) return no('It holds spaces, line breaks or other characters that no key has.');
  if (key.length < MIN_LENGTH) return no('It is too short to be a whole key; it seems to be cut off.');
  if (key.length > MAX_LENGTH) return no('It is too long to be a key.');
  if (!KEY.test(key)) return no('It holds characters that no key has.');
  return { ok: true };
}

function no(why: string): KeyShape {
  return { ok: false, why };
}

/** The only part of a key that is ever shown: its last four characters. */
export function keyHint(key: string): string {
  return key.slice(-4);
}
