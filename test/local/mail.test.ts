import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { keepMail, findMail, mailFolderOf, openMailFolder } from '../../local/mail/store.ts';
import { startSink, type MailSink } from '../../local/mail/sink.ts';
import { pageOf } from '../../local/mail/page.ts';
import { anyFreePort } from '../../local/processes/ports.ts';
import { startService, type RunningService } from '../../local/processes/service.ts';
import { Supervisor } from '../../local/stack/supervisor.ts';
import type { Outcome } from '../../notify/door.ts';
import { HOSTILE, everywhere } from '../notify/hostile.ts';
import { TROUBLE, messageOf } from '../notify/messages.ts';
import { mailDoor, readMail } from '../notify/smtp.ts';
import { prepare } from '../processes/support.ts';
import { until } from '../support/wait.ts';
import { temporaryFolder } from './fakes.ts';

const SCRIPT = join(import.meta.dirname, '../../dist/local/mail/main.js');
const ID = '0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b';

beforeAll(() => prepare(), 300_000);

const open: { stop: () => Promise<unknown> }[] = [];
afterEach(async () => {
  for (const each of open.splice(0)) await each.stop();
});

async function sinkIn(folder: string): Promise<MailSink> {
  const sink = await startSink({ port: 0, folder });
  open.push({ stop: () => sink.close() });
  return sink;
}

function send(port: number, content = TROUBLE, deliveryId = ID): Promise<Outcome> {
  return mailDoor(`smtp://127.0.0.1:${port}`).tell(
    { kind: 'email', address: 'ada@example.org' },
    { ...messageOf(content), deliveryId },
    { signal: new AbortController().signal, beforeBody: () => Promise.resolve() },
  );
}

describe('the mail sink', () => {
  test('keeps each mail as it came and as a page, for its owner only, named by time and delivery', async () => {
    const folder = mailFolderOf(temporaryFolder());
    const { port } = await sinkIn(folder);
    expect(await send(port)).toMatchObject({ state: 'sent' });
    const names = readdirSync(folder).sort();
    expect(names.map((name) => name.replace(/^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-/, ''))).toEqual([
      `${ID}.eml`,
      `${ID}.html`,
    ]);
    const kept = findMail(folder, ID);
    expect((await readMail(readFileSync(kept?.eml ?? '', 'utf8'))).subject).toBe(TROUBLE.subject);
    expect(readFileSync(kept?.page ?? '', 'utf8')).toContain('<b>To:</b> ada@example.org');
    expect([statSync(folder).mode & 0o777, statSync(kept?.eml ?? '').mode & 0o777]).toEqual([0o700, 0o600]);
  });

  test('takes no part of a file name from what a mail says', async () => {
    const folder = mailFolderOf(temporaryFolder());
    const { port } = await sinkIn(folder);
    for (const id of ['../../evil', 'a/b', '.hidden', 'x'.repeat(300)]) await send(port, everywhere('../../x'), id);
    for (const name of readdirSync(folder)) expect(name).toMatch(/^[\dT-]{20}[0-9a-f-]{36}\.(eml|html)$/);
    expect(readdirSync(folder)).toHaveLength(8);
    expect(readdirSync(join(folder, '..'))).toEqual(['mail']);
  });

  test('refuses a mail of more than a megabyte, and keeps none of it', async () => {
    const folder = mailFolderOf(temporaryFolder());
    const { port } = await sinkIn(folder);
    expect(await speak(port, `${'x'.repeat(70)}\r\n`.repeat(20_000))).toContain('552 ');
    expect(readdirSync(folder)).toEqual([]);
  });

  test('on a full disk asks for another try, leaves nothing behind, and takes the same mail later', async () => {
    const folder = mailFolderOf(temporaryFolder());
    const port = await anyFreePort();
    // No file may have more than a kilobyte. The signal of that limit would end the process.
    const command = `trap '' XFSZ; ulimit -f 1; exec "$0" "$1" --port ${port} --folder "$2"`;
    const child = spawn('bash', ['-c', command, process.execPath, SCRIPT, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    open.push({ stop: () => (child.kill('SIGKILL') ? once(child, 'exit') : Promise.resolve()) });
    await once(child.stdout, 'data');
    const refused = await send(port);
    expect(refused.state).toBe('retry');
    expect(JSON.stringify(refused)).toContain('answered 452 ');
    expect(readdirSync(folder)).toEqual([]);
    const { port: roomy } = await sinkIn(folder);
    expect(await send(roomy)).toMatchObject({ state: 'sent' });
    expect(readdirSync(folder)).toHaveLength(2);
  });

  test('says in words that its port is taken, or that it cannot use its folder', async () => {
    const other = createServer();
    other.listen(0, '127.0.0.1');
    await once(other, 'listening');
    open.push({ stop: () => new Promise((done) => other.close(done)) });
    const address = other.address();
    const taken = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const folder = temporaryFolder();
    await expect(service(temporaryFolder(), taken)).rejects.toThrow(`port ${taken} is taken by another process`);
    writeFileSync(mailFolderOf(folder), 'a file');
    await expect(service(folder, await anyFreePort())).rejects.toThrow(/mails cannot be kept in .*EEXIST/);
  });

  test('is started again where it was when it dies, and keeps what it had', { timeout: 240_000 }, async () => {
    const folder = temporaryFolder();
    const port = await anyFreePort();
    const lines: string[] = [];
    const supervisor = await Supervisor.take({ dataDir: folder, log: (line) => lines.push(line) });
    open.push({ stop: () => supervisor.stop() });
    const first = await supervisor.start({ role: 'mail', start: () => service(folder, port) });
    expect(await send(port)).toMatchObject({ state: 'sent' });
    process.kill(first.pid, 'SIGKILL');
    await until('the sink to run again', () => lines.some((line) => line.startsWith('mail runs again')));
    const second = '1b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b';
    expect(await send(port, TROUBLE, second)).toMatchObject({ state: 'sent' });
    expect([ID, second].map((id) => findMail(mailFolderOf(folder), id) !== null)).toEqual([true, true]);
  });
});

function service(dataDir: string, port: number): Promise<RunningService> {
  return startService({
    name: 'The mail sink',
    script: SCRIPT,
    args: ['--port', String(port), '--folder', mailFolderOf(dataDir)],
    env: process.env,
    logFile: join(dataDir, 'mail.log'),
  });
}

/** Sends a body without announcing its size, and returns all that the server said. */
async function speak(port: number, body: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let said = '';
  const lines = ['EHLO x', 'MAIL FROM:<a@b>', 'RCPT TO:<c@d>', 'DATA', `${body}.`, 'QUIT'];
  socket.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    // The last line of an answer has a space after its code.
    if (/^\d{3} /m.test(text)) socket.write(`${lines.shift() ?? 'QUIT'}\r\n`);
  });
  await once(socket, 'close');
  return said;
}

describe('the folder of mails', () => {
  const mail = (n: number, text = 'x'): Parameters<typeof keepMail>[1] => ({
    source: Buffer.from(`Message-ID: <${String(n).padStart(8, '0')}${ID.slice(8)}@x>\r\n\r\n${text}`),
    page: text,
    atMs: Date.UTC(2026, 0, 1, 0, 0, n),
  });

  test('keeps the newest mails, as many and as large as its bounds say, and always the last', () => {
    const folder = temporaryFolder();
    for (let n = 1; n <= 5; n += 1) keepMail(folder, mail(n), { mails: 3, bytes: 1_000_000 });
    expect(readdirSync(folder).map((name) => Number(name.slice(17, 19)))).toEqual([3, 3, 4, 4, 5, 5]);
    keepMail(folder, mail(6, 'y'.repeat(5_000)), { mails: 3, bytes: 1_000 });
    expect(readdirSync(folder)).toHaveLength(2);
  });

  test('that cannot be written to leaves no half of a mail, and a start removes what a crash left', () => {
    const folder = temporaryFolder();
    const { eml } = keepMail(folder, mail(1));
    rmSync(eml);
    // A folder in its place: the page could be written, and the mail could not.
    mkdirSync(`${eml}.part/x`, { recursive: true });
    expect(() => keepMail(folder, mail(1))).toThrow();
    expect(readdirSync(folder).filter((name) => !name.endsWith('.part'))).toEqual([]);
    rmSync(`${eml}.part`, { recursive: true });
    writeFileSync(join(folder, 'left.eml.part'), 'half');
    openMailFolder(folder);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('the page of a mail', () => {
  test('shows hostile names as text, and lets nothing run', async () => {
    for (const text of HOSTILE) {
      const from = `From: "${text.replace(/["\r\n]/g, '')}" <a@b.example>`;
      const source = [from, `Subject: ${text.replace(/[\r\n]/g, ' ')}`, '', text].join('\r\n');
      expect((await pageOf(Buffer.from(source))).match(/<script|<img|<svg|<form|<a /gi)).toBeNull();
    }
  });

  test('frames what a mail has in HTML without programs and forms, and names its attachments', async () => {
    const source = [
      ...['Subject: x', 'MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=b', ''],
      ...['--b', 'Content-Type: text/html', '', '<script>alert(1)</script><a href="https://x.example">x</a>"', ''],
      ...[
        '--b',
        'Content-Type: text/html; name="a\'<b>.html"',
        'Content-Disposition: attachment; filename="a\'<b>.html"',
        '',
      ],
      ...['<script>alert(2)</script>', '--b--', ''],
    ];
    const page = await pageOf(Buffer.from(source.join('\r\n')));
    expect(page).not.toContain('<script');
    expect(page).not.toContain('alert(2)');
    expect(page).toContain('<b>Attachments:</b> a&#39;&lt;b&gt;.html');
    const [, sandbox, framed] = /<iframe title="The mail" sandbox="([^"]*)" srcdoc="([^"]*)">/.exec(page) ?? [];
    expect(sandbox).toBe('allow-popups allow-popups-to-escape-sandbox');
    expect(framed).toMatch(
      /^&lt;meta http-equiv=&quot;Content-Security-Policy&quot; content=&quot;default-src &#39;none&#39;/,
    );
  });
});
