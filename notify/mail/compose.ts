import MailComposer from 'nodemailer/lib/mail-composer';
import type { Mailbox } from '../../domain/notices/mail.ts';
import { parseUrl } from '../../domain/url.ts';
import type { Message } from '../delivery.ts';
import { mailHtml } from '../render/mail-html.ts';
import { mailText } from '../render/mail-text.ts';
import { line, shown, type Limits } from '../text.ts';
import type { Mail } from './smtp.ts';

/** Larger mails are cut by many readers. */
export const MAX_MAIL_BYTES = 100 * 1024;

const FULL: Limits = { facts: 40, tables: 12, columns: 8, rows: 200, cell: 120, subject: 180, sentence: 2_000 };
/** Ever shorter forms of a mail, for notices with long tables. The last one fits, whatever it says. */
const FORMS: readonly Limits[] = [
  FULL,
  ...[100, 50, 25].map((rows) => ({ ...FULL, rows })),
  { ...FULL, rows: 10, tables: 6 },
  { ...FULL, facts: 10, tables: 2, rows: 10, cell: 80, sentence: 800 },
  { ...FULL, facts: 5, tables: 1, columns: 4, rows: 5, cell: 60, sentence: 400 },
];

/** What a mail needs besides its message. */
export interface Sender {
  readonly from: Mailbox;
  /** Names product and version. */
  readonly userAgent: string;
}

/** Makes the mail of a message for an address: the same bytes on every try. */
export async function composeMail(message: Message, to: string, sender: Sender): Promise<Mail> {
  const forms = [...FORMS];
  for (;;) {
    const limits = forms.shift() ?? FULL;
    const bytes = await built(message, to, sender, limits);
    if (bytes.length <= MAX_MAIL_BYTES || forms.length === 0) {
      return { from: inAscii(sender.from.address), to: inAscii(to), bytes };
    }
  }
}

function built(message: Message, to: string, { from, userAgent }: Sender, limits: Limits): Promise<Buffer> {
  const notice = shown(message.content, limits);
  const places = { publicUrl: message.publicUrl, unsubscribeUrl: message.unsubscribeUrl, atMs: message.atMs };
  const composer = new MailComposer({
    from: { name: line(from.name, 100), address: from.address },
    to: { name: '', address: to },
    // A reader would decode what looks like an encoded word.
    subject: notice.subject.replaceAll('=?', '=？'),
    text: mailText(notice, places),
    html: mailHtml(notice, places),
    messageId: `<${message.deliveryId}@${domainOf(from.address)}>`,
    date: new Date(message.atMs),
    headers: {
      'Auto-Submitted': 'auto-generated',
      'X-Auto-Response-Suppress': 'All',
      'X-Mailer': userAgent,
      ...unsubscribing(message.unsubscribeUrl),
    },
    newline: 'windows',
    baseBoundary: message.deliveryId,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return composer.compile().build();
}

/** Only https takes a click without a person (RFC 8058). */
function unsubscribing(address: string | null): Record<string, string> {
  const url = address === null ? null : parseUrl(address);
  if (url === null) return {};
  const { href, protocol } = url;
  const list = { 'List-Unsubscribe': `<${href.replaceAll('>', '%3E')}>` };
  return protocol === 'https:' ? { ...list, 'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click' } : list;
}

/** The domain of an address, in ASCII. */
function domainOf(address: string): string {
  const domain = address.slice(address.lastIndexOf('@') + 1);
  return parseUrl(`http://${domain}`)?.hostname ?? domain;
}

/** An address as servers know it: few take a domain in Unicode. */
function inAscii(address: string): string {
  return `${address.slice(0, address.lastIndexOf('@'))}@${domainOf(address)}`;
}
