import { CONTROLS, SPACES } from '../characters.ts';

/** The most addresses of a channel. */
export const MAX_ADDRESSES = 50;
/** The longest mail address, by RFC 5321. */
export const ADDRESS_LENGTH = 254;
/** The longest address of a webhook, in characters. */
export const URL_LENGTH = 2_000;

/** An address of a webhook as far as a pattern says it. JavaScript and Python read it alike. */
export const URL_PATTERN = '^https?://[!-~]+$';

/** A mail address as people write it, without comments or quotes. JavaScript and Python read the pattern alike. */
export const ADDRESS_PATTERN =
  "^(?=.{3,254}$)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,64}(?:\\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,64})*@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\\.)*[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$";
const ADDRESS = new RegExp(ADDRESS_PATTERN);
const UNSEEN = new RegExp(`[${CONTROLS}${SPACES}]`, 'u');

/** What is wrong with a mail address; null if nothing is. */
export function problemWithAddress(text: string): string | null {
  if (UNSEEN.test(text)) return 'must be one mail address, without spaces or line breaks';
  return ADDRESS.test(text) ? null : 'must be a mail address, such as costs@example.com';
}

/** The secret of a webhook: `whsec_` and 24 to 64 bytes in Base64, as Standard Webhooks has it. */
export const SECRET_OF_WEBHOOK_PATTERN = '^whsec_(?:[A-Za-z0-9+/]{4}){8,21}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$';
/** PagerDuty's integration key: 32 letters and digits. */
export const ROUTING_KEY_PATTERN = '^[A-Za-z0-9]{32}$';

/** Whether the deployment allows a host that nobody may tell otherwise: a private address, or one without TLS. */
export type IsAllowed = (host: string) => boolean;

/**
 * What is wrong with the address of a webhook; null if nothing is. A name may still lead to a private address: only the
 * connection itself shows that, so the door checks it again.
 */
export function problemWithUrl(text: string, isAllowed: IsAllowed): string | null {
  if (UNSEEN.test(text) || !URL_PARTS.test(text)) return 'must be an address that begins with https://';
  const [, scheme = '', authority = '', rest = ''] = URL_PARTS.exec(text) ?? [];
  if (authority.includes('@')) return 'must have no name or password before the host';
  if (rest.includes('#')) return 'must have no fragment (#…)';
  const host = hostOf(text);
  if (host === null) return 'must be an address that begins with https://';
  if (isAllowed(host)) return null;
  if (scheme.toLowerCase() === 'http')
    return 'must begin with https://; METERLINE_NOTIFY_ALLOW can allow http for its host';
  if (isPrivate(host)) return 'leads to this machine or a private network; METERLINE_NOTIFY_ALLOW can allow its host';
  return null;
}

const URL_PARTS = /^(https?):\/\/([^/?#\\]+)([^\\]*)$/i;

/** The host of an address, without brackets and in small letters; null if it has none. */
export function hostOf(text: string): string | null {
  if (!URL.canParse(text)) return null;
  const { hostname } = new URL(text);
  return hostname === '' ? null : hostname.replace(/^\[|\]$/g, '').toLowerCase();
}

/** Whether a host is spelled as an address of this machine, a private network or a link. */
function isPrivate(host: string): boolean {
  if (host === 'localhost' || host.endsWith('.localhost')) return true;
  const v4 = /^(\d+)\.(\d+)\.\d+\.\d+$/.exec(host);
  if (v4 !== null) {
    const [a, b] = [Number(v4[1]), Number(v4[2])];
    return (
      [0, 10, 127].includes(a) ||
      a >= 224 ||
      (a === 100 && b >= 64 && b < 128) ||
      (a === 169 && b === 254) ||
      (a === 172 && b >= 16 && b < 32) ||
      (a === 192 && b === 168)
    );
  }
  return host.includes(':') && /^(?:::|f[cdef]|64:ff9b)/.test(host);
}
