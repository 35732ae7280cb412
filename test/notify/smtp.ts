import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import PostalMime, { type Email } from 'postal-mime';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import { ALLOW_NOTHING } from '../../domain/notices/allow-list.ts';
import { openDoor, type Door, type DoorSettings } from '../../notify/door.ts';

export const FROM = 'Meterline <meterline@example.com>';
export const AGENT = 'Meterline/9.9.9';

/** A door for mail, in a hurry. */
export function mailDoor(url: string, settings: Partial<DoorSettings> = {}): Door {
  return openDoor({
    smtp: { url },
    mailFrom: FROM,
    allow: ALLOW_NOTHING,
    userAgent: AGENT,
    timeouts: { mail: { connectMs: 2_000, greetingMs: 1_000, silenceMs: 1_000, wholeMs: 3_000 } },
    ...settings,
  });
}

export interface Sink {
  readonly port: number;
  readonly url: string;
  /** Every mail that was taken, as it came. */
  readonly mails: { readonly to: readonly string[]; readonly source: string }[];
  close(): Promise<void>;
}

/** A real mail server that keeps what it takes. */
export async function smtpSink(options: SMTPServerOptions = {}): Promise<Sink> {
  const mails: { to: string[]; source: string }[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    closeTimeout: 100,
    onData(stream, session, callback) {
      const pieces: Buffer[] = [];
      stream.on('data', (piece: Buffer) => pieces.push(piece));
      stream.on('end', () => {
        const source = Buffer.concat(pieces).toString();
        mails.push({ to: session.envelope.rcptTo.map(({ address }) => address), source });
        callback(null, 'OK: queued as 4f1c');
      });
    },
    ...options,
  });
  // Connections that tests break are errors of the server.
  server.on('error', () => undefined);
  server.listen(0, '0.0.0.0');
  await once(server.server, 'listening');
  const { port } = server.server.address() as AddressInfo;
  return {
    port,
    url: `smtp://127.0.0.1:${port}`,
    mails,
    close: () =>
      new Promise((done) => {
        server.close(() => {
          done();
        });
      }),
  };
}

/** What a mail says, as a program of somebody else reads it. */
export function readMail(source: string): Promise<Email> {
  return PostalMime.parse(source);
}

/** An answer: lines, or `hang`, `drop`, `reset` (of the connection) or `drip` (lines without end). */
export type Answer = string;
/** A point in a conversation over SMTP. `body` is the first piece of a mail, `end` the dot after it. */
export type Point = 'greeting' | 'EHLO' | 'AUTH' | 'STARTTLS' | 'MAIL' | 'RCPT' | 'DATA' | 'body' | 'end' | 'QUIT';

export interface Script {
  readonly url: string;
  /** Every line that was heard, the mail's lines too. */
  readonly heard: string[];
  close(): Promise<void>;
}

const POLITE: Readonly<Record<Point, Answer>> = {
  greeting: '220 ready',
  EHLO: '250 ready',
  AUTH: '235 welcome',
  STARTTLS: '502 no such command',
  MAIL: '250 fine',
  RCPT: '250 fine',
  DATA: '354 go on',
  body: '',
  end: '250 taken',
  QUIT: '221 bye',
};

/** A mail server that answers as a script says, and politely besides. */
export async function scriptedSmtp(script: Partial<Record<Point, Answer>>): Promise<Script> {
  const answers = { ...POLITE, ...script };
  const heard: string[] = [];
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
    answer(socket, answers.greeting);
    let inBody = false;
    let rest = '';
    socket.on('data', (bytes) => {
      if (inBody && answers.body !== '') {
        answer(socket, answers.body);
        return;
      }
      const lines = (rest + bytes.toString()).split('\r\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        heard.push(line);
        const [verb = ''] = line.split(' ');
        if (inBody && line !== '.') continue;
        const point = (inBody ? 'end' : verb.toUpperCase()) as Point;
        if (point in answers) answer(socket, answers[point]);
        else socket.write('500 what?\r\n');
        inBody = point === 'DATA' && /^[23]/.test(answers.DATA);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `smtp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    heard,
    async close() {
      for (const socket of open) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function answer(socket: Socket, words: Answer): void {
  if (words === 'hang' || words === '') return;
  if (words === 'drop') socket.end();
  else if (words === 'reset') socket.resetAndDestroy();
  else if (words === 'drip') {
    const dripping = setInterval(() => socket.write('250-more\r\n'), 100);
    socket.once('close', () => {
      clearInterval(dripping);
    });
  } else socket.write(`${words}\r\n`);
}
