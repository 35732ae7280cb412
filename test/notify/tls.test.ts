import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createProxy } from 'node:http';
import { createServer } from 'node:https';
import { connect, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { makeAuthority, makeCertificate } from '../support/certificates.ts';
import { compileRooms } from '../support/compiled.ts';
import { TROUBLE, messageOf } from './messages.ts';
import { PATH, SECRET } from './sink.ts';
import { smtpSink } from './smtp.ts';

const HOST = 'hooks.internal';
const outcome = z.object({ state: z.string(), reply: z.string().optional(), reason: z.string().optional() });
type Outcome = z.output<typeof outcome>;

/** Tells once, in a process that trusts the authority: every name leads to 127.0.0.1. */
const PROGRAM = `
import { openDoor } from './notify/door.js';
import { parseAllowList } from './domain/notices/allow-list.js';
const { target, message, settings, allow } = JSON.parse(process.argv[2]);
const door = openDoor({
  mailFrom: 'meterline@example.com', userAgent: 'Meterline/9', ...settings, allow: parseAllowList(allow),
  resolve: (_host, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]),
});
const signal = new AbortController().signal;
process.stdout.write(JSON.stringify(await door.tell(target, message, { signal, beforeBody: async () => {} })));
`;

describe('over TLS', () => {
  let directory: string;
  let built: Awaited<ReturnType<typeof compileRooms>>;
  const heard: string[] = [];
  const servers: Server[] = [];
  const asked: (string | undefined)[] = [];
  let [port, other, proxy] = [0, 0, 0];

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'meterline-notify-'));
    makeAuthority(directory);
    makeCertificate(directory, 'good', `DNS:${HOST},IP:127.0.0.2`);
    makeCertificate(directory, 'other', 'DNS:other.internal');
    built = await compileRooms(['notify', 'domain', 'runtime']);
    writeFileSync(join(built.directory, 'tell.js'), PROGRAM);
    port = await listening(
      createServer(certificate('good'), (request, response) => {
        heard.push(`${request.headers.host ?? ''}${request.url ?? ''}`);
        request.resume().on('end', () => response.end('ok'));
      }),
    );
    other = await listening(createServer(certificate('other'), (_request, response) => response.end('ok')));
    const tunnel = createProxy();
    tunnel.on('connect', (request, socket) => {
      asked.push(request.url);
      const there = connect(port, '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
        socket.pipe(there).pipe(socket);
      });
      for (const end of [socket, there]) end.on('error', () => undefined);
    });
    proxy = await listening(tunnel);
  });
  afterAll(async () => {
    for (const server of servers) server.close();
    rmSync(directory, { recursive: true });
    await built.remove();
  });

  function certificate(name: string): { key: Buffer; cert: Buffer } {
    return { key: readFileSync(join(directory, `${name}.key`)), cert: readFileSync(join(directory, `${name}.pem`)) };
  }

  async function listening(server: Server): Promise<number> {
    servers.push(server);
    server.listen(0, '0.0.0.0');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  async function tell(target: object, settings: object = { smtp: null }, allow = HOST): Promise<Outcome> {
    const told = JSON.stringify({ target, message: messageOf(TROUBLE), settings, allow });
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: join(directory, 'ca.pem') };
    const child = spawn(process.execPath, [join(built.directory, 'tell.js'), told], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const said = { out: '', err: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said.out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said.err += text));
    await once(child, 'close');
    expect(said.err.replaceAll(/^\(.*\n/gm, '')).toBe('');
    return outcome.parse(JSON.parse(said.out));
  }

  const webhook = (at: number): object => ({ kind: 'webhook', url: `https://${HOST}:${at}${PATH}`, secrets: [SECRET] });

  it('a webhook is told at the address of its name', async () => {
    heard.length = 0;
    expect(await tell(webhook(port))).toEqual({ state: 'sent', reply: 'HTTP 200 ok' });
    expect(heard).toEqual([`${HOST}:${port}${PATH}`]);
  });

  it('a server with the certificate of another host is told nothing', async () => {
    expect(await tell(webhook(other))).toMatchObject({
      state: 'retry',
      reason: `${HOST}: the certificate is for another host`,
    });
  });

  it('a webhook is told through a proxy, which sees the name alone', async () => {
    heard.length = 0;
    const settings = { smtp: null, proxy: { url: `http://127.0.0.1:${proxy}`, noProxy: '' } };
    expect(await tell(webhook(443), settings)).toEqual({ state: 'sent', reply: 'HTTP 200 ok' });
    expect([asked, heard]).toEqual([[`${HOST}:443`], [HOST + PATH]]);
  });

  it.each(['smtp', 'smtps'])('mail goes to another machine by %s, with a login', async (scheme) => {
    const logins: unknown[] = [];
    const sink = await smtpSink({
      ...certificate('good'),
      secure: scheme === 'smtps',
      disabledCommands: [],
      authOptional: false,
      onAuth({ username, password }, { secure }, callback) {
        logins.push(username, password, String(secure));
        callback(null, { user: username });
      },
    });
    const url = `${scheme}://mailer:pass%20word@127.0.0.2:${sink.port}`;
    const told = await tell({ kind: 'email', address: 'ada@example.org' }, { smtp: { url } });
    expect(told).toMatchObject({ state: 'sent' });
    expect(logins).toEqual(['mailer', 'pass word', 'true']);
    expect(sink.mails.map(({ to }) => to)).toEqual([['ada@example.org']]);
    await sink.close();
  });
});
