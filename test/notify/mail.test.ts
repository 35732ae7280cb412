import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Outcome, Target } from '../../notify/door.ts';
import { makeAuthority, makeCertificate } from '../support/certificates.ts';
import { AGENT, mailDoor, readMail, scriptedSmtp, smtpSink, type Answer, type Point } from './smtp.ts';
import { REPORT, TROUBLE, messageOf } from './messages.ts';

const TO: Target = { kind: 'email', address: 'ada@example.org' };
const NEVER = new AbortController().signal;
const FREELY = { signal: NEVER, beforeBody: () => Promise.resolve() };

/** Tells by a server that follows a script, and how often `beforeBody` was awaited. */
async function told(
  script: Partial<Record<Point, Answer>>,
): Promise<{ outcome: Outcome; calls: number; heard: string[] }> {
  const server = await scriptedSmtp(script);
  let calls = 0;
  const beforeBody = (): Promise<void> => {
    calls += 1;
    return Promise.resolve();
  };
  const outcome = await mailDoor(server.url).tell(TO, messageOf(TROUBLE), { signal: NEVER, beforeBody });
  const { heard } = server;
  await server.close();
  return { outcome, calls, heard };
}

describe('a mail that a server takes', () => {
  it('is sent, with the words of the server', async () => {
    const sink = await smtpSink();
    const outcome = await mailDoor(sink.url).tell(TO, messageOf(REPORT), FREELY);
    expect(outcome).toEqual({ state: 'sent', reply: '250 OK: queued as 4f1c' });
    expect(sink.mails.map(({ to }) => to)).toEqual([['ada@example.org']]);
    const mail = await readMail(sink.mails[0]?.source ?? '');
    expect(mail).toMatchObject({
      subject: REPORT.subject,
      from: { name: 'Meterline', address: 'meterline@example.com' },
      to: [{ address: 'ada@example.org' }],
      messageId: '<5d3f0f0e-6b2c-4b1f-8a52-0d4b8c6b3a01@example.com>',
      date: '2026-11-30T06:42:00.000Z',
    });
    const headers = Object.fromEntries(mail.headers.map(({ key, value }) => [key, value]));
    expect(headers).toMatchObject({
      'auto-submitted': 'auto-generated',
      'x-mailer': AGENT,
      'list-unsubscribe': '<https://meterline.example/unsubscribe/abc.def>',
      'list-unsubscribe-post': 'List-Unsubscribe=One-Click',
    });
    for (const twin of [mail.text ?? '', mail.html ?? '']) {
      for (const words of ['$12,408.17', 'Default workspace', 'claude-haiku-4-5', 'See this month in Explore']) {
        expect(twin).toContain(words);
      }
    }
    await sink.close();
  });

  it('goes to a domain in Unicode by its name in ASCII', async () => {
    const server = await scriptedSmtp({});
    const target: Target = { kind: 'email', address: 'ada@münchen.example' };
    expect(await mailDoor(server.url).tell(target, messageOf(TROUBLE), FREELY)).toMatchObject({ state: 'sent' });
    expect(server.heard.filter((line) => /^(RCPT|To:)/.test(line))).toEqual([
      'RCPT TO:<ada@xn--mnchen-3ya.example>',
      'To: ada@xn--mnchen-3ya.example',
    ]);
    await server.close();
  });

  it('has the same bytes on every try', async () => {
    const sink = await smtpSink();
    const door = mailDoor(sink.url);
    await door.tell(TO, messageOf(TROUBLE), FREELY);
    await door.tell(TO, messageOf(TROUBLE), FREELY);
    expect(sink.mails[1]).toEqual(sink.mails[0]);
    await sink.close();
  });

  it.each([
    ['http://127.0.0.1:8080/unsubscribe/x', ['list-unsubscribe']],
    ['https://meterline.example/unsubscribe/x', ['list-unsubscribe', 'list-unsubscribe-post']],
    [null, []],
  ])('offers one click only where the address is https: %s', async (unsubscribeUrl, names) => {
    const sink = await smtpSink();
    const message = messageOf(TROUBLE, { unsubscribeUrl });
    await mailDoor(sink.url).tell(TO, message, FREELY);
    const { headers } = await readMail(sink.mails[0]?.source ?? '');
    expect(
      headers
        .map(({ key }) => key)
        .filter((key) => key.startsWith('list-'))
        .sort(),
    ).toEqual(names);
    await sink.close();
  });

  it('is marked as begun after the recipient was accepted and before anything of it left', async () => {
    const server = await scriptedSmtp({});
    const before: string[] = [];
    const outcome = await mailDoor(server.url).tell(TO, messageOf(TROUBLE), {
      signal: NEVER,
      beforeBody: () => {
        before.push(...server.heard);
        return Promise.resolve();
      },
    });
    expect(outcome).toEqual({ state: 'sent', reply: '250 taken' });
    expect(before.map((line) => line.split(' ')[0])).toEqual(['EHLO', 'MAIL', 'RCPT', 'DATA']);
    expect(server.heard.at(-1)).toMatch(/^(QUIT|\.)$/);
    await server.close();
  });

  it('does not leave if it may not: nothing of it was heard, and the error is the one that said so', async () => {
    const server = await scriptedSmtp({});
    const refusal = new Error('the delivery is taken');
    const tell = mailDoor(server.url).tell(TO, messageOf(TROUBLE), {
      signal: NEVER,
      beforeBody: () => Promise.reject(refusal),
    });
    await expect(tell).rejects.toBe(refusal);
    expect(refusal).toEqual(new Error('the delivery is taken'));
    expect(server.heard.map((line) => line.split(' ')[0])).toEqual(['EHLO', 'MAIL', 'RCPT', 'DATA']);
    await server.close();
  });
});

describe('an answer of the server', () => {
  it.each<[Point, string, Outcome['state'], RegExp]>([
    ['greeting', '421 too busy', 'retry', /421 too busy/],
    ['greeting', '554 no mail from you', 'retry', /554 no mail from you/],
    ['greeting', '999 what', 'retry', /999 what/],
    ['EHLO', '421 later', 'retry', /421 later/],
    ['MAIL', '451 later', 'retry', /451 later to MAIL FROM/],
    ['MAIL', '550 not you', 'failed', /550 not you to MAIL FROM/],
    ['RCPT', '450 4.2.0 greylisted, come back in 5 minutes', 'retry', /450 4.2.0 greylisted.* to RCPT TO/],
    ['RCPT', '421 closing', 'retry', /421 closing/],
    ['RCPT', '550 5.1.1 no such user', 'failed', /550 5.1.1 no such user to RCPT TO/],
    ['RCPT', '999 what', 'retry', /999 what/],
    ['RCPT', '251 user not local; will forward', 'sent', /250 taken/],
    ['RCPT', '252 cannot verify', 'sent', /250 taken/],
    ['DATA', '451 disk full', 'retry', /451 disk full to DATA/],
    ['DATA', '554 no', 'failed', /554 no to DATA/],
    ['DATA', '199 what', 'retry', /199 what/],
    ['end', '250-taken\r\n250 as 17', 'sent', /taken.*as 17/],
    ['end', '251 taken', 'sent', /251 taken/],
    ['end', '451 local error', 'retry', /451 local error to DATA/],
    ['end', '421 shutting down', 'retry', /421 shutting down/],
    ['end', '552 5.3.4 too big', 'failed', /552 5.3.4 too big/],
    ['end', '354 go on', 'unknown', /354 go on.*after the mail had left/],
    ['end', '999 what', 'unknown', /999 what.*after the mail had left/],
    ['end', 'taken, I think', 'unknown', /after the mail had left/],
  ])('to %s of "%s" means %s', async (point, words, state, said) => {
    const { outcome, calls } = await told({ [point]: words });
    expect(outcome.state).toBe(state);
    expect('reply' in outcome ? outcome.reply : outcome.reason).toMatch(said);
    expect(calls).toBe(point === 'end' || state === 'sent' ? 1 : 0);
  });
});

describe('a lost connection', () => {
  const points: readonly Point[] = ['greeting', 'EHLO', 'MAIL', 'RCPT', 'DATA'];
  const ways: readonly Answer[] = ['drop', 'reset', 'hang'];

  it.each(points.flatMap((point) => ways.map((way) => [way, point] as const)))(
    '(%s) at %s is tried again: nothing of the mail left',
    async (way, point) => {
      const { outcome, calls, heard } = await told({ [point]: way });
      expect(outcome).toMatchObject({ state: 'retry', retryAfterMs: null });
      expect(calls).toBe(0);
      expect(heard.join('\n')).not.toMatch(/Subject|rejected/);
    },
  );

  it.each((['body', 'end'] as const).flatMap((point) => ways.map((way) => [way, point] as const)))(
    '(%s) at %s of the mail leaves it unknown',
    async (way, point) => {
      const { outcome, calls } = await told({ [point]: way });
      expect(outcome).toMatchObject({
        state: 'unknown',
        reason: expect.stringContaining('after the mail had left') as string,
      });
      expect(calls).toBe(1);
    },
  );

  it('to a port where nobody listens is tried again', async () => {
    const outcome = await mailDoor('smtp://127.0.0.1:1').tell(TO, messageOf(TROUBLE), FREELY);
    expect(outcome).toEqual({ state: 'retry', reason: '127.0.0.1: the connection was refused', retryAfterMs: null });
  });

  it('by somebody who called it off is tried again before the mail left, and unknown after it', async () => {
    for (const [point, state] of [
      ['RCPT', 'retry'],
      ['end', 'unknown'],
    ] as const) {
      const server = await scriptedSmtp({ [point]: 'hang' });
      const control = new AbortController();
      const telling = mailDoor(server.url).tell(TO, messageOf(TROUBLE), {
        signal: control.signal,
        beforeBody: () => Promise.resolve(),
      });
      setTimeout(() => {
        control.abort();
      }, 300);
      expect(await telling).toMatchObject({
        state,
        reason: expect.stringContaining('the attempt was called off') as string,
      });
      await server.close();
    }
  });

  it('while somebody still decides whether the mail may leave: it does not, whatever they decide', async () => {
    const server = await scriptedSmtp({});
    const control = new AbortController();
    let allow = (): void => undefined;
    const telling = mailDoor(server.url).tell(TO, messageOf(TROUBLE), {
      signal: control.signal,
      beforeBody: () => {
        control.abort();
        return new Promise((done) => {
          allow = done;
        });
      },
    });
    expect(await telling).toMatchObject({ state: 'retry' });
    allow();
    await server.close();
    expect(server.heard.join('\n')).not.toContain('Subject');
  });
});

it.each(['EHLO', 'end'] as const)('a server that goes on answering for ever at %s is left in time', async (point) => {
  const { outcome } = await told({ [point]: 'drip' });
  const state = point === 'end' ? 'unknown' : 'retry';
  expect(outcome).toMatchObject({ state, reason: expect.stringContaining('not done after 3 s') as string });
});

it('a server that refuses one of three addresses gets the other two', async () => {
  const sink = await smtpSink({
    onRcptTo({ address }, _session, callback) {
      callback(address.startsWith('gone') ? Object.assign(new Error('no such user'), { responseCode: 550 }) : null);
    },
  });
  const states: string[] = [];
  for (const address of ['ada@example.org', 'gone@example.org', 'grace@example.org']) {
    const { state } = await mailDoor(sink.url).tell({ kind: 'email', address }, messageOf(TROUBLE), FREELY);
    states.push(state);
  }
  expect(states).toEqual(['sent', 'failed', 'sent']);
  expect(sink.mails.flatMap(({ to }) => to)).toEqual(['ada@example.org', 'grace@example.org']);
  await sink.close();
});

describe('the way to the server', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'meterline-mail-'));
    makeAuthority(directory);
    makeCertificate(directory, 'mail', 'IP:127.0.0.2', { isTrusted: false });
  });
  afterAll(() => {
    rmSync(directory, { recursive: true });
  });
  const certificate = (): { key: Buffer; cert: Buffer } => ({
    key: readFileSync(join(directory, 'mail.key')),
    cert: readFileSync(join(directory, 'mail.pem')),
  });

  it('to another machine is encrypted, or not taken', async () => {
    const sink = await smtpSink();
    const outcome = await mailDoor(`smtp://127.0.0.2:${sink.port}`).tell(TO, messageOf(TROUBLE), FREELY);
    expect(outcome).toMatchObject({
      state: 'retry',
      reason: expect.stringContaining('it offers no encryption') as string,
    });
    expect(sink.mails).toEqual([]);
    await sink.close();
  });

  it.each(['smtp', 'smtps'])('by %s ends at a certificate that nobody trusts', async (scheme) => {
    const sink = await smtpSink({ ...certificate(), secure: scheme === 'smtps', disabledCommands: ['AUTH'] });
    let calls = 0;
    const outcome = await mailDoor(`${scheme}://127.0.0.2:${sink.port}`).tell(TO, messageOf(TROUBLE), {
      signal: NEVER,
      beforeBody: () => {
        calls += 1;
        return Promise.resolve();
      },
    });
    expect(outcome).toMatchObject({
      state: 'retry',
      reason: '127.0.0.2: this machine does not trust the certificate of the host',
    });
    expect([calls, sink.mails.length]).toEqual([0, 0]);
    await sink.close();
  });

  it('logs in, and a refused login is tried again without its password in any word', async () => {
    const password = 'pa55-word:with/odd@characters';
    const logins: unknown[] = [];
    const sink = await smtpSink({
      disabledCommands: ['STARTTLS'],
      allowInsecureAuth: true,
      onAuth({ username, password: given }, _session, callback) {
        logins.push([username, given]);
        if (given === password) callback(null, { user: username });
        else callback(new Error(`535 no such login: ${username ?? ''} ${given ?? ''}`));
      },
    });
    const urlWith = (secret: string): string => sink.url.replace('//', `//mailer-user:${encodeURIComponent(secret)}@`);
    const tell = (url: string): Promise<Outcome> => mailDoor(url).tell(TO, messageOf(TROUBLE), FREELY);
    expect(await tell(urlWith(password))).toMatchObject({ state: 'sent' });
    const refused = await tell(urlWith('wrong-but-secret-too'));
    expect(refused).toMatchObject({ state: 'retry' });
    expect(JSON.stringify(refused)).toContain('535');
    expect(JSON.stringify(refused)).not.toMatch(/wrong-but|secret-too|mailer-user/);
    expect(logins).toEqual([
      ['mailer-user', password],
      ['mailer-user', 'wrong-but-secret-too'],
    ]);
    await sink.close();
  });
});

it('without a mail server, a mail waits for one', async () => {
  const outcome = await mailDoor('smtp://127.0.0.1', { smtp: null, mailFrom: null }).tell(
    TO,
    messageOf(TROUBLE),
    FREELY,
  );
  expect(outcome).toEqual({ state: 'retry', reason: 'METERLINE_SMTP_URL is not set', retryAfterMs: null });
});

it.each([
  'ada@example.org\r\nRCPT TO:<eve@example.org>',
  'ada@example.org, eve@example.org',
  'Ada <ada@example.org>',
  '',
])('an address that is none is refused before anybody is asked: %j', async (address) => {
  const server = await scriptedSmtp({});
  const outcome = await mailDoor(server.url).tell({ kind: 'email', address }, messageOf(TROUBLE), FREELY);
  expect(outcome).toEqual({ state: 'failed', reason: 'this is no mail address' });
  expect(server.heard).toEqual([]);
  await server.close();
});
