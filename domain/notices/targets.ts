import { HIDDEN } from '../characters.ts';
import { bareHost, isNamed, problemWithAddress, type AllowList } from './allow-list.ts';
import { parseIp } from './ip.ts';

const LONGEST_URL = 2_048;

/**
 * What is wrong with the address of a Slack, Teams or other webhook; null if notices may go there, as far as its text
 * shows it. The door checks the addresses of the host when it connects. Quotes nothing: the address is a secret.
 */
export function problemWithUrl(text: string, allow: AllowList): string | null {
  if (text.length > LONGEST_URL) return `must have at most ${LONGEST_URL} characters`;
  const url = URL.canParse(text) && !/\s/.test(text) ? new URL(text) : null;
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

const LABEL = '[\\p{L}\\p{N}](?:[\\p{L}\\p{M}\\p{N}-]{0,61}[\\p{L}\\p{M}\\p{N}])?';
const MAIL_ADDRESS = new RegExp(
  `^(?=.{3,254}$)(?=[^@]{1,64}@)[^\\s@<>(),;:\\\\"\\[\\].${HIDDEN}]+(?:\\.[^\\s@<>(),;:\\\\"\\[\\].${HIDDEN}]+)*@(?:${LABEL})(?:\\.${LABEL})*$`,
  'u',
);

/** Whether a text is one mail address without a name: no comments, no quotes, no line breaks. */
export function isMailAddress(text: string): boolean {
  return MAIL_ADDRESS.test(text);
}

/** Whether a text is a secret of Standard Webhooks: `whsec_` and 24 to 64 bytes in base64. */
export function isWebhookSecret(text: string): boolean {
  const [, base64 = ''] = /^whsec_((?:[A-Za-z\d+/]{4})*(?:[A-Za-z\d+/]{2}==|[A-Za-z\d+/]{3}=)?)$/.exec(text) ?? [];
  const bytes = (base64.length / 4) * 3 - (/=*$/.exec(base64)?.[0].length ?? 0);
  return bytes >= 24 && bytes <= 64;
}

/** Whether a text is an integration key of PagerDuty's Events API v2: 32 letters and digits. */
export function isRoutingKey(text: string): boolean {
  return /^[A-Za-z\d]{32}$/.test(text);
}
