import { z } from 'zod';
import { ALLOW_NOTHING, parseAllowList, type AllowList } from '../domain/notices/allow-list.ts';
import { parseMailbox, parseSmtpUrl } from '../domain/notices/mail.ts';
import { problemWithUrl } from '../domain/notices/targets.ts';
import type { SetVariables } from './variables.ts';

/** `METERLINE_SMTP_URL`, which may contain a password. */
export const smtpUrl = z
  .string()
  .refine(
    (text) => parseSmtpUrl(text) !== null,
    'must be smtp:// or smtps:// with a host and perhaps a port, and a user and a password or neither (encoded as in URLs), and nothing more',
  );

/** `METERLINE_MAIL_FROM`. */
export const mailFrom = z
  .string()
  .refine((text) => parseMailbox(text) !== null, 'must be a mail address, or a name and an address: Name <address>');

/** `METERLINE_NOTIFY_ALLOW`. */
export const notifyAllow = z.string().transform((text, context): AllowList => {
  const list = parseAllowList(text);
  if (list !== null) return list;
  context.addIssue('must be host names, addresses or ranges (10.0.0.0/8) with commas between, without ports');
  return z.NEVER;
});

/** What is wrong between variables that each are right. */
export function problemsBetween(variables: SetVariables): string[] {
  const { METERLINE_HEARTBEAT_URL: heartbeat, METERLINE_NOTIFY_ALLOW: allowed } = variables;
  const allow = allowed === undefined ? ALLOW_NOTHING : parseAllowList(allowed);
  // A list that is wrong itself is named already.
  const problem = heartbeat === undefined || allow === null ? null : problemWithUrl(heartbeat, allow);
  const lacksSender = 'METERLINE_SMTP_URL' in variables && !('METERLINE_MAIL_FROM' in variables);
  return [
    ...(lacksSender ? ['METERLINE_MAIL_FROM must be set if METERLINE_SMTP_URL is'] : []),
    ...(problem === null ? [] : [`METERLINE_HEARTBEAT_URL ${problem}`]),
  ];
}
