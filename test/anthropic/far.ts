import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttp, type IncomingMessage, type Server } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { z } from 'zod';
import { makeAuthority, makeCertificate } from '../support/certificates.ts';
import { compileRooms } from '../support/compiled.ts';
import { KEY } from './support.ts';

/** A name that is in no DNS, so that only a proxy leads there, and an address that counts as foreign. */
export const FAR_NAME = 'anthropic.invalid';
export const FAR_ADDRESS = '127.0.0.2';
const NAMES = `DNS:${FAR_NAME},IP:127.0.0.1,IP:${FAR_ADDRESS}`;

/** What the proxy does when it is asked for a tunnel. */
export type Conduct = 'tunnel' | 'to the impostor' | 'ask for a password' | 'redirect' | 'answer itself' | 'be silent';

type Seen = Pick<IncomingMessage, 'method' | 'url' | 'headers'>;

/** A far server, an impostor with a certificate that nobody trusts, and a proxy that leads to either. */
export interface FarSide {
  readonly port: number;
  readonly proxyUrl: string;
  /** Requests that reached the far server. */
  readonly requests: Seen[];
  /** Requests that reached the impostor. */
  readonly deceived: Seen[];
  /** Hosts for which the proxy was asked for a tunnel, and requests that it was sent without one. */
  readonly asked: string[];
  readonly plain: Seen[];
  /** Every byte that the proxy was sent. */
  overheard(): string;
  conduct: Conduct;
  /** Reads the organization in a process of its own, as the worker would with these variables. */
  read(baseUrl: string, env: Record<string, string>): Promise<Reading>;
  close(): Promise<void>;
}

const reading = z.object({ organization: z.string().nullable(), error: z.string().nullable() });
/** What came of reading. */
export type Reading = z.output<typeof reading>;

const PROGRAM = `
import { createTransport } from './anthropic/transport.js';
import { readOrganization } from './anthropic/organization.js';
import { loadConfig } from './config/config.js';
import { AdminKey } from './domain/keys.js';
const [baseUrl, key] = process.argv.slice(2);
const { proxy } = loadConfig(process.env);
const transport = createTransport({ baseUrl, maxReplyBytes: 10_000, proxy, timeouts: { replyMs: 2_000 } });
const said = await readOrganization(transport.readerFor(AdminKey.parse(key).key, new AbortController().signal)).then(
  ({ name }) => ({ organization: name, error: null }),
  (error) => ({ organization: null, error: \`\${error.code}: \${error.detail}\` }),
);
process.stdout.write(JSON.stringify(said));
await transport.close();
`;

/** Starts all of it. */
export async function farSide(): Promise<FarSide> {
  const directory = mkdtempSync(join(tmpdir(), 'meterline-far-'));
  makeAuthority(directory);
  makeCertificate(directory, 'far', NAMES);
  makeCertificate(directory, 'impostor', NAMES, { isTrusted: false });
  const built = await compileRooms(['anthropic', 'config', 'domain', 'pages', 'runtime']);
  writeFileSync(join(built.directory, 'read.js'), PROGRAM);
  const [requests, deceived, asked, plain]: [Seen[], Seen[], string[], Seen[]] = [[], [], [], []];
  const far = await secureServer(directory, 'far', requests);
  const impostor = await secureServer(directory, 'impostor', deceived);
  const heard: Buffer[] = [];
  const open = new Set<Duplex>();
  const proxy = createHttp((request, response) => {
    plain.push(request);
    response.end('{"id":"x","name":"The proxy itself"}');
  });
  proxy.on('connection', (socket: Socket) => {
    open.add(socket);
    socket.on('data', (bytes) => heard.push(bytes));
    socket.on('error', () => socket.destroy());
  });
  proxy.on('connect', (request, socket) => {
    asked.push(request.url ?? '');
    answer(side.conduct, socket, { far: portOf(far), impostor: portOf(impostor) });
  });
  await listening(proxy);
  const side: FarSide = {
    port: portOf(far),
    proxyUrl: `http://127.0.0.1:${portOf(proxy)}`,
    ...{ requests, deceived, asked, plain },
    overheard: () => Buffer.concat(heard).toString('latin1'),
    conduct: 'tunnel',
    read: (baseUrl, env) =>
      run([join(built.directory, 'read.js'), baseUrl, KEY], { NODE_EXTRA_CA_CERTS: join(directory, 'ca.pem'), ...env }),
    async close() {
      for (const socket of open) socket.destroy();
      for (const server of [far, impostor, proxy]) {
        server.closeAllConnections();
        server.close();
      }
      rmSync(directory, { recursive: true });
      await built.remove();
    },
  };
  return side;
}

function answer(conduct: Conduct, socket: Duplex, ports: { far: number; impostor: number }): void {
  switch (conduct) {
    case 'be silent':
      return;
    case 'ask for a password':
      socket.end(
        'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n',
      );
      return;
    case 'redirect':
      socket.end(`HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:${ports.impostor}/\r\nContent-Length: 0\r\n\r\n`);
      return;
    case 'answer itself':
      socket.end('HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<h1>Please sign in</h1>');
      return;
    case 'tunnel':
    case 'to the impostor': {
      const there = connect(conduct === 'tunnel' ? ports.far : ports.impostor, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
        socket.pipe(there).pipe(socket);
      });
      there.on('error', () => socket.destroy());
    }
  }
}

async function secureServer(directory: string, name: string, seen: Seen[]): Promise<Server> {
  const [key, cert] = [`${name}.key`, `${name}.pem`].map((file) => readFileSync(join(directory, file)));
  const server = createHttps({ key, cert }, (request, response) => {
    seen.push(request);
    response.end(`{"id":"x","name":"${name}"}`);
  });
  return listening(server);
}

async function listening<S extends Server>(server: S): Promise<S> {
  // On every address of this machine, so that it is reached by one that counts as foreign.
  server.listen(0, '0.0.0.0');
  await once(server, 'listening');
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

async function run(args: string[], env: Record<string, string>): Promise<Reading> {
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.err += text));
  await once(child, 'close');
  if (said.err !== '') throw new Error(said.err);
  return reading.parse(JSON.parse(said.out));
}
