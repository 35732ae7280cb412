import { DAY_MS } from './days.ts';

/**
 * The states of a stored Admin key. A `superseded` key becomes active again if Anthropic rejects its successor before the
 * successor's first success.
 */
export const KEY_STATES = ['candidate', 'active', 'superseded', 'refused', 'destroyed'] as const;
/** In `refused` and `destroyed` the ciphertext is gone. */
export type KeyState = (typeof KEY_STATES)[number];

/**
 * Why a ciphertext was destroyed: a sync succeeded with its replacement, a later key was accepted first, nobody asked to use it in time, somebody
 * discarded it, or its connection ended. A refused key carries its failure instead.
 */
export const KEY_ENDS = ['replaced', 'overtaken', 'unused', 'discarded', 'connection_ended'] as const;
export type KeyEnd = (typeof KEY_ENDS)[number];

/** A candidate that nobody asks to use is destroyed after this long. */
export const CANDIDATE_LIFETIME_MS = DAY_MS;

const MIN_LENGTH = 24;
const MAX_LENGTH = 256;

/** Keys have letters, digits, `-` and `_`; other credentials of Anthropic may have the characters of tokens. */
const CHARACTERS = 'A-Za-z0-9_.~+/=:|-';
const KEY = new RegExp(`^[${CHARACTERS}]+$`);

/** What {@link AdminKey.parse} accepts, as a regular expression that JavaScript and Python read alike. */
export const KEY_PATTERN = `^(?!sk-ant-api)[${CHARACTERS}]{${MIN_LENGTH},${MAX_LENGTH}}$`;

/** An Admin key, or the problem with the text that was given for one. The problem never quotes the text. */
export type ParsedAdminKey =
  { readonly ok: true; readonly key: AdminKey } | { readonly ok: false; readonly problem: string };

/** Node's `util.inspect`, and with it the console, calls a method of this name to print a value. */
const INSPECT: unique symbol = Symbol.for('nodejs.util.inspect.custom');

/**
 * An Anthropic Admin API key that cannot be printed: as text, as JSON or inspected it shows its last four characters
 * only. Its text leaves it by {@link AdminKey.reveal} alone.
 */
export class AdminKey {
  readonly #text: string;

  private constructor(text: string) {
    this.#text = text;
  }

  /** Checks the shape of a key, so that nothing else is ever stored or sent to Anthropic. */
  static parse(text: string): ParsedAdminKey {
    const problem = problemWithKey(text);
    return problem === null ? { ok: true, key: new AdminKey(text) } : { ok: false, problem };
  }

  /** The last four characters, the only part that is ever shown. */
  get hint(): string {
    return this.#text.slice(-4);
  }

  /**
   * The whole key in the clear, for sealing it and for the transport, which sends it to Anthropic and strikes it out of
   * replies. Nothing else needs it.
   */
  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return `[Admin key …${this.hint}]`;
  }

  toJSON(): string {
    return this.toString();
  }

  [INSPECT](): string {
    return this.toString();
  }
}

/**
 * Source: Admin keys start with `sk-ant-admin` (today `sk-ant-admin01-`), workspace keys with `sk-ant-api`, keys of
 * claude.ai for Enterprise with `sk-ant-api01-`. Anthropic documents other keys that read organization data without
 * naming their prefix, so Anthropic itself judges a key with any other prefix.
 */
function problemWithKey(text: string): string | null {
  if (text.startsWith('sk-ant-api01-')) {
    return 'This is a key of claude.ai for Enterprise ("sk-ant-api01-…"), which carries scopes and does not read cost and usage reports. An Admin API key ("sk-ant-admin…") is needed; an organization admin creates it in the Claude Console under Settings, Admin keys.';
  }
  if (text.startsWith('sk-ant-api')) {
    return 'This is a workspace key ("sk-ant-api…"), which cannot read organization data. An Admin API key ("sk-ant-admin…") is needed; an organization admin creates it in the Claude Console under Settings, Admin keys.';
  }
  if (!/^[\x21-\x7e]*$/.test(text)) return 'It has spaces, line breaks or other characters that no key has.';
  if (text.length < MIN_LENGTH) return 'It is too short to be a whole key; part of it seems to be missing.';
  if (text.length > MAX_LENGTH) return 'It is too long to be a key.';
  return KEY.test(text) ? null : 'It has characters that no key has.';
}
