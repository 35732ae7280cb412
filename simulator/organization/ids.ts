import { randomText } from '../random.ts';

const BASE58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
const KEY_CHARACTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-';

/** A key in the form of an Admin API key. */
export function makeKey(seed: number): string {
  return `sk-ant-admin01-${randomText(KEY_CHARACTERS, 93, seed)}AA`;
}

/** An id in Anthropic's form, such as `wrkspc_01…`. */
export function makeId(prefix: string, seed: number): string {
  return `${prefix}_01${randomText(BASE58, 22, seed)}`;
}

/** A request id in Anthropic's form. */
export function makeRequestId(seed: number): string {
  return `req_011C${randomText(BASE58, 20, seed)}`;
}
