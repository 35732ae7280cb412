import { CONTROLS, UNFIT_IN_NAMES } from '../characters.ts';
import { isLoopback } from '../base-url.ts';
import { parseUrl } from '../url.ts';
import { isMailAddress } from './targets.ts';

/** A mail server, as an address of `METERLINE_SMTP_URL` names it. */
export interface SmtpServer {
  readonly host: string;
  readonly port: number;
  /** `start`: TLS from the first byte. `upgrade`: by STARTTLS before anything else. `none`: only to this machine. */
  readonly tls: 'start' | 'upgrade' | 'none';
  readonly login: { readonly user: string; readonly password: string } | null;
}

/** Reads `smtp://` or `smtps://` with a host and perhaps a port, a user and a password; null for any other text. */
export function parseSmtpUrl(text: string): SmtpServer | null {
  const url = /\s/.test(text) ? null : parseUrl(text);
  if (url === null) return null;
  const isBare = ['', '/'].includes(url.pathname) && !/[?#]/.test(text);
  if (!['smtp:', 'smtps:'].includes(url.protocol) || url.hostname === '' || !isBare || url.port === '0') return null;
  const [user, password] = [decoded(url.username), decoded(url.password)];
  if (user === null || password === null || (user === '') !== (password === '')) return null;
  const isSecure = url.protocol === 'smtps:';
  return {
    host: url.hostname.toLowerCase().replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? (isSecure ? 465 : 587) : Number(url.port),
    tls: isSecure ? 'start' : isLoopback(url) ? 'none' : 'upgrade',
    login: user === '' ? null : { user, password },
  };
}

function decoded(text: string): string | null {
  try {
    const plain = decodeURIComponent(text);
    return new RegExp(`[${CONTROLS}]`, 'u').test(plain) ? null : plain;
  } catch {
    return null;
  }
}

/** Who mails come from. */
export interface Mailbox {
  readonly name: string;
  readonly address: string;
}

/** Reads `address` or `Name <address>`; null for any other text. */
export function parseMailbox(text: string): Mailbox | null {
  const [, quoted, plain = '', address = ''] = /^\s*(?:"([^"\\]*)"|([^"<>]*?))\s*<([^<>]*)>\s*$/.exec(text) ?? [];
  const mailbox = address === '' ? { name: '', address: text.trim() } : { name: (quoted ?? plain).trim(), address };
  const isPlain = mailbox.name.length <= 100 && !new RegExp(`[${UNFIT_IN_NAMES}]`, 'u').test(text);
  return isPlain && isMailAddress(mailbox.address) ? mailbox : null;
}
