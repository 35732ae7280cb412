import { Readable } from 'node:stream';
import SMTPConnection from 'nodemailer/lib/smtp-connection';
import type { SmtpServer } from '../../domain/notices/mail.ts';
import { networkSentence } from '../../runtime/network-errors.ts';
import { deadline, openGate, type Gate, type Outcome, type TellOptions } from '../delivery.ts';
import { cleanedOf, type Cleaned } from '../words.ts';

/** How long each part of sending a mail may take, in milliseconds. */
export interface Timeouts {
  readonly connectMs: number;
  readonly greetingMs: number;
  /** The longest silence of the server. It may take its time over a mail that it has. */
  readonly silenceMs: number;
  readonly wholeMs: number;
}

export const TIMEOUTS: Timeouts = { connectMs: 10_000, greetingMs: 30_000, silenceMs: 120_000, wholeMs: 180_000 };

/** A mail as it goes over the wire, from one address to one address. */
export interface Mail {
  readonly from: string;
  readonly to: string;
  readonly bytes: Buffer;
}

/** What nodemailer says of an attempt that failed. */
interface Trouble {
  readonly code: string;
  /** The code of the system's error beneath it. */
  readonly cause: string;
  /** The command that was answered. */
  readonly command: string;
  /** The status and words of the server; null if it gave none. */
  readonly reply: { readonly status: number; readonly words: string } | null;
}

/**
 * Hands a mail to a server, once, over a connection of its own. The server has accepted the recipient before `beforeBody`
 * is awaited. Without its answer to the mail, the outcome is `unknown`. Rejects only with what `beforeBody` rejected with.
 */
export async function sendMail(
  mail: Mail,
  server: SmtpServer,
  timeouts: Timeouts,
  options: TellOptions,
): Promise<Outcome> {
  const clean = cleanedOf(server.login === null ? [] : secretsOf(server.login));
  const { over, isLate, end } = deadline(timeouts.wholeMs, options.signal);
  const gate = openGate(options.beforeBody, over);
  const connection = connectionTo(server, timeouts);
  try {
    const reply = await conversation(connection, mail, server, gate, over);
    return { state: 'sent', reply: clean(reply) };
  } catch (error) {
    if (gate.refusal !== null) throw gate.refusal.error;
    if (!over.aborted) return outcomeOf(troubleOf(error), server, gate.isPassed, clean);
    const reason = isLate()
      ? `the mail server was not done after ${timeouts.wholeMs / 1000} s`
      : 'the attempt was called off';
    return lossOf(reason, gate.isPassed);
  } finally {
    end();
    connection.close();
  }
}

function secretsOf({ user, password }: { user: string; password: string }): string[] {
  return [password, user, `\0${user}\0${password}`];
}

function connectionTo({ host, port, tls }: SmtpServer, timeouts: Timeouts): SMTPConnection {
  return new SMTPConnection({
    host,
    port,
    secure: tls === 'start',
    requireTLS: tls === 'upgrade',
    ignoreTLS: tls === 'none',
    connectionTimeout: timeouts.connectMs,
    dnsTimeout: timeouts.connectMs,
    greetingTimeout: timeouts.greetingMs,
    socketTimeout: timeouts.silenceMs,
    maxResponseSize: 64 * 1024,
    logger: false,
  });
}

/** Resolves with the server's answer to the mail. */
function conversation(
  connection: SMTPConnection,
  mail: Mail,
  { login }: SmtpServer,
  gate: Gate,
  over: AbortSignal,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      reject(error instanceof Error ? error : new Error('unknown'));
    };
    const end = (): void => {
      fail(new Error('called off'));
    };
    if (over.aborted) end();
    else over.addEventListener('abort', end, { once: true });
    const send = (): void => {
      const envelope = { from: mail.from, to: [mail.to], size: mail.bytes.length };
      connection.send(envelope, bodyOf(mail, gate), (error, info) => {
        if (error !== null) fail(error);
        else {
          resolve(info.response);
          connection.quit();
        }
      });
    };
    connection.on('error', fail);
    connection.once('end', () => {
      fail(Object.assign(new Error('closed'), { code: 'ECONNECTION' }));
    });
    connection.connect((error) => {
      if (error !== undefined) fail(error);
      else if (login === null) send();
      else {
        connection.login({ credentials: { user: login.user, pass: login.password } }, (refused) => {
          if (refused === null) send();
          else fail(refused);
        });
      }
    });
  });
}

/** nodemailer reads from this only once the server has said 354, which is after it accepted the recipient. */
function bodyOf({ bytes }: Mail, gate: Gate): Readable {
  async function* once(): AsyncGenerator<Buffer> {
    await gate.pass();
    yield bytes;
  }
  return Readable.from(once(), { objectMode: false });
}

function troubleOf(error: unknown): Trouble {
  const text = (name: string): string => {
    const value: unknown = error instanceof Error ? Reflect.get(error, name) : undefined;
    return typeof value === 'string' ? value : '';
  };
  const [, status, words = ''] = /^(\d{3})[ -]?(.*)$/s.exec(text('response')) ?? [];
  return {
    code: text('code'),
    cause: text('originalCode'),
    command: text('command'),
    reply: status === undefined ? null : { status: Number(status), words },
  };
}

/** A refusal of the mail itself stands. One of the way to it (greeting, TLS, login) may be mended in the settings. */
const COMMANDS_OF_THE_MAIL = ['MAIL FROM', 'RCPT TO', 'DATA'];

function outcomeOf(trouble: Trouble, { host }: SmtpServer, mayBeSent: boolean, clean: Cleaned): Outcome {
  const { reply, command } = trouble;
  const isAnswer = reply !== null && reply.status >= 400 && reply.status < 600;
  if (reply === null || (!isAnswer && mayBeSent)) return lossOf(lossWords(trouble, host, clean), mayBeSent);
  const reason = `${host} answered ${reply.status} ${clean(reply.words)}`.trimEnd();
  const about = command === '' || command === 'CONN' ? '' : ` to ${command}`;
  if (trouble.code === 'ETLS') return { state: 'retry', reason: `${reason + about}: ${NO_TLS}`, retryAfterMs: null };
  const isFinal = isAnswer && reply.status >= 500 && (mayBeSent || COMMANDS_OF_THE_MAIL.includes(command));
  if (isFinal) return { state: 'failed', reason: reason + about };
  return { state: 'retry', reason: reason + about, retryAfterMs: null };
}

const NO_TLS = 'it offers no encryption, without which Meterline sends mail to this machine only';
const CODES: Readonly<Record<string, string>> = {
  ECONNECTION: 'the connection was closed',
  ETIMEDOUT: 'no answer came in time',
  EDNS: 'the host name could not be looked up',
  ETLS: 'no encrypted connection came about',
  EPROTOCOL: 'the answer is not one of a mail server',
  EMESSAGE: 'the mail is larger than the server allows',
};

function lossWords({ code, cause, reply }: Trouble, host: string, clean: Cleaned): string {
  if (reply !== null) return `${host} answered ${reply.status} ${clean(reply.words)}`.trimEnd();
  if (cause !== '' && networkSentence(cause) !== `network failure ${cause}`)
    return `${host}: ${networkSentence(cause)}`;
  return `${host}: ${CODES[code] ?? networkSentence(code === '' ? 'unknown' : code)}`;
}

function lossOf(reason: string, mayBeSent: boolean): Outcome {
  if (!mayBeSent) return { state: 'retry', reason, retryAfterMs: null };
  return { state: 'unknown', reason: `${reason}, after the mail had left` };
}
