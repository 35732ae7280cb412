import { HIDDEN } from '../characters.ts';
import { bareHost, isNamed, problemWithAddress, type AllowList } from './allow-list.ts';
import { parseIp } from './ip.ts';
import { parseUrl } from '../url.ts';

/** The most addresses of a channel. */
export const MAX_ADDRESSES = 50;
/** The longest mail address, by RFC 5321. */
export const ADDRESS_LENGTH = 254;
/** The longest address of a webhook, in characters. */
export const URL_LENGTH = 2_048;

/** An address of a webhook as far as a pattern says it. JavaScript and Python read it alike. */
export const URL_PATTERN = '^https?://[!-~]+$';

/**
 * What is wrong with the address of a Slack, Teams or other webhook; null if notices may go there, as far as its text
 * shows it. The door checks the addresses of the host when it connects. Quotes nothing: the address is a secret.
 */
export function problemWithUrl(text: string, allow: AllowList): string | null {
  if (text.length > URL_LENGTH) return `must have at most ${URL_LENGTH} characters`;
  const url = /[\s\\]/.test(text) ? null : parseUrl(text);
  if (url === null || !['https:', 'http:'].includes(url.protocol)) return 'must be an https:// address';
  if (url.username !== '' || url.password !== '') return 'must contain no user and no password';
  if (url.hash !== '') return 'must contain no fragment';
  if (url.protocol === 'http:' && !isNamed(url.hostname, allow)) {
    return 'must be an https:// address: http is for hosts that METERLINE_NOTIFY_ALLOW names';
  }
  return problemWithHost(url.hostname, allow);
}

function problemWithHost(hostname: string, allow: AllowList): string | null {
  const host = bareHost(hostname);
  const isThisMachine = host === 'localhost' || host.endsWith('.localhost');
  const problem =
    parseIp(host) === null
      ? isThisMachine && !isNamed(host, allow)
        ? 'is a private address that METERLINE_NOTIFY_ALLOW does not name'
        : null
      : problemWithAddress(host, host, allow);
  return problem === null ? null : `must name another host: this one ${problem}`;
}

/** The host of an address, without brackets and in small letters; null if it has none. */
export function hostOf(text: string): string | null {
  const host = bareHost(parseUrl(text)?.hostname ?? '');
  return host === '' ? null : host;
}

const LABEL = '[\\p{L}\\p{N}](?:[\\p{L}\\p{M}\\p{N}-]{0,61}[\\p{L}\\p{M}\\p{N}])?';
const MAIL_ADDRESS = new RegExp(
  `^(?=.{3,${ADDRESS_LENGTH}}$)(?=[^@]{1,64}@)[^\\s@<>(),;:\\\\"\\[\\].${HIDDEN}]+(?:\\.[^\\s@<>(),;:\\\\"\\[\\].${HIDDEN}]+)*@(?:${LABEL})(?:\\.${LABEL})*$`,
  'u',
);

/** Whether a text is one mail address without a name: no comments, no quotes, no line breaks. */
export function isMailAddress(text: string): boolean {
  return MAIL_ADDRESS.test(text);
}

const ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
const ASCII_LABEL = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?';
/**
 * A mail address that a channel takes: one of ASCII alone, and nothing that {@link isMailAddress} does not take.
 * JavaScript and Python read the pattern alike.
 */
export const ADDRESS_PATTERN = `^(?=.{3,${ADDRESS_LENGTH}}$)(?=[^@]{1,64}@)${ATOM}(?:\\.${ATOM})*@(?:${ASCII_LABEL}\\.)*${ASCII_LABEL}$`;

/** The secret of a webhook: `whsec_` and 24 to 64 bytes in base64, as Standard Webhooks has it. */
export const SECRET_OF_WEBHOOK_PATTERN =
  '^whsec_(?:[A-Za-z0-9+/]{4}){8,20}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4}(?:[A-Za-z0-9+/]{2}==)?)?$';
const SECRET_OF_WEBHOOK = new RegExp(SECRET_OF_WEBHOOK_PATTERN);

/** Whether a text is a secret of Standard Webhooks: `whsec_` and 24 to 64 bytes in base64. */
export function isWebhookSecret(text: string): boolean {
  return SECRET_OF_WEBHOOK.test(text);
}

/** The service regions of PagerDuty. An account belongs to one, and the other one does not know its keys. */
export const PAGERDUTY_REGIONS = ['us', 'eu'] as const;
/** One of {@link PAGERDUTY_REGIONS}. */
export type PagerDutyRegion = (typeof PAGERDUTY_REGIONS)[number];

/** An integration key of PagerDuty's Events API v2: 32 letters and digits. */
export const ROUTING_KEY_PATTERN = '^[A-Za-z0-9]{32}$';
const ROUTING_KEY = new RegExp(ROUTING_KEY_PATTERN);

/** Whether a text is an integration key of PagerDuty's Events API v2: 32 letters and digits. */
export function isRoutingKey(text: string): boolean {
  return ROUTING_KEY.test(text);
}
