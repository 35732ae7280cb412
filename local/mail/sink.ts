import { SMTPServer, type SMTPServerDataStream } from 'smtp-server';
import { isErrno } from '../errors.ts';
import { pageOf } from './page.ts';
import { MAIL_BOUNDS, keepMail, openMailFolder, type MailBounds } from './store.ts';

/** Ours have 100 kB at most. */
const MAX_MAIL_BYTES = 1024 * 1024;
const MAX_CLIENTS = 100;
const SILENCE_MS = 60_000;
const CLOSE_WITHIN_MS = 200;
const LOOPBACK = '127.0.0.1';

/** A mail server on this machine that keeps every mail as files, and sends nothing on. */
export interface MailSink {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Starts a sink on loopback that keeps mails in a folder. It refuses a mail that is too large, and asks for another try
 * (452) if the disk has no room. Rejects with the operating system's error if it cannot listen or use the folder.
 */
export async function startSink(options: {
  readonly port: number;
  readonly folder: string;
  readonly bounds?: MailBounds;
}): Promise<MailSink> {
  const { port, folder, bounds = MAIL_BOUNDS } = options;
  openMailFolder(folder);
  const server = new SMTPServer({
    banner: 'Meterline keeps mails here',
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    size: MAX_MAIL_BYTES,
    maxClients: MAX_CLIENTS,
    socketTimeout: SILENCE_MS,
    closeTimeout: CLOSE_WITHIN_MS,
    onData(stream, _session, callback) {
      take(stream, folder, bounds).then(
        () => {
          callback(null, 'Kept');
        },
        (error: unknown) => {
          callback(answerTo(error));
        },
      );
    },
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, LOOPBACK, resolve);
  });
  // From here on, errors are those of single connections.
  server.removeAllListeners('error');
  server.on('error', () => undefined);
  const address = server.server.address();
  if (address === null || typeof address === 'string') throw new Error('the sink has no port');
  return {
    port: address.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          resolve();
        });
      }),
  };
}

async function take(stream: SMTPServerDataStream, folder: string, bounds: MailBounds): Promise<void> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  // All of it must be read, also what is not kept, before the server may answer.
  for await (const piece of stream) {
    const read = Buffer.isBuffer(piece) ? piece : Buffer.from(String(piece));
    bytes += read.length;
    if (bytes <= MAX_MAIL_BYTES) pieces.push(read);
  }
  if (bytes > MAX_MAIL_BYTES) throw new RefusedMailError(552, 'This mail is too large');
  const source = Buffer.concat(pieces);
  keepMail(folder, { source, page: await pageOf(source), atMs: Date.now() }, bounds);
}

/** Why a mail is not kept; `responseCode` is what the server answers. */
class RefusedMailError extends Error {
  override readonly name = 'RefusedMailError';
  readonly responseCode: number;
  constructor(responseCode: number, message: string) {
    super(message);
    this.responseCode = responseCode;
  }
}

function answerTo(error: unknown): RefusedMailError {
  if (error instanceof RefusedMailError) return error;
  if (isErrno(error, 'ENOSPC', 'EDQUOT', 'EFBIG')) return new RefusedMailError(452, 'The disk has no room');
  return new RefusedMailError(451, 'The mail could not be stored');
}
