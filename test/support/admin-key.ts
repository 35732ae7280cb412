import fc from 'fast-check';
import type { OpenedKey } from '../../db/keys/open.ts';
import { AdminKey } from '../../domain/keys.ts';

/** The Admin key of a text that has the shape of one. */
export function adminKey(text: string): AdminKey {
  const parsed = AdminKey.parse(text);
  if (!parsed.ok) throw new Error(`a test needs an Admin key: ${parsed.problem}`);
  return parsed.key;
}

/** Any text that is an Admin key, for property tests. */
export const ADMIN_KEY_TEXTS = fc.stringMatching(/^[A-Za-z0-9_.~+/=:|-]{24,256}$/);

/** An opened key with its text: `toEqual` compares no private fields, so any two Admin keys are equal to it. */
export function revealed(opened: OpenedKey | null): { keyId: string; text: string } | null {
  return opened === null ? null : { keyId: opened.keyId, text: opened.adminKey.reveal() };
}
