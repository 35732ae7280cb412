import { gzipSync } from 'node:zlib';
import type { RequestListener } from 'node:http';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import type { Message, Outcome } from '../../notify/door.ts';
import { until } from '../support/wait.ts';
import { REPORT, TROUBLE, messageOf } from './messages.ts';
import {
  AGENT,
  KINDS,
  PATH,
  ROUTING_KEY,
  SECRET,
  httpSink,
  pagerDutyAt,
  sinkDoor,
  targetOf,
  type Heard,
} from './sink.ts';

const NEVER = new AbortController().signal;
const FREELY = { signal: NEVER, beforeBody: () => Promise.resolve() };
type Kind = (typeof KINDS)[number];

/** Tells a server that answers in one way. */
async function told(
  kind: Kind,
  answer: RequestListener,
  message: Message = messageOf(TROUBLE),
): Promise<{ outcome: Outcome; heard: Heard[]; calls: number }> {
  const sink = await httpSink(answer);
  let calls = 0;
  const beforeBody = (): Promise<void> => {
    calls += 1;
    return Promise.resolve();
  };
  const door = sinkDoor({ pagerDutyUrls: pagerDutyAt(`${sink.url}/v2/enqueue`) });
  const outcome = await door.tell(targetOf(kind, sink.url), message, { signal: NEVER, beforeBody });
  await sink.close();
  return { outcome, heard: sink.heard, calls };
}

/** An answer with a status, headers and words. */
function says(status: number, words = '', headers: Record<string, string> = {}): RequestListener {
  return (_request, response) => response.writeHead(status, headers).end(words);
}

const other = (kind: Kind): boolean => kind === 'slack' || kind === 'teams';

describe.each(KINDS)('a notice to %s', (kind) => {
  it('is one POST of JSON that names the product, and nothing more', async () => {
    const { outcome, heard, calls } = await told(kind, says(200, 'ok'));
    expect(outcome).toEqual({ state: 'sent', reply: 'HTTP 200 ok' });
    expect(heard.map(({ method, url }) => [method, url])).toEqual([
      ['POST', kind === 'pagerduty' ? '/v2/enqueue' : PATH],
    ]);
    const { 'user-agent': agent, 'content-type': type, 'content-length': length, ...others } = heard[0]?.headers ?? {};
    expect([agent, type, Number(length)]).toEqual([
      AGENT,
      'application/json; charset=utf-8',
      Buffer.byteLength(heard[0]?.body ?? ''),
    ]);
    const signed = kind === 'webhook' ? ['webhook-id', 'webhook-signature', 'webhook-timestamp'] : [];
    expect(Object.keys(others).sort()).toEqual(['accept-encoding', 'connection', 'host', ...signed].sort());
    expect(calls).toBe(1);
  });

  it.each<[number, string, Outcome['state']]>([
    [200, 'ok', 'sent'],
    [202, '{"status":"success"}', 'sent'],
    [204, '', 'sent'],
    [301, '', 'failed'],
    [307, '', 'failed'],
    [308, '', 'failed'],
    [400, 'invalid_payload', 'failed'],
    [401, '', 'failed'],
    [404, 'no_service', 'failed'],
    [408, '', 'retry'],
    [410, 'channel_is_archived', 'gone'],
    [413, '', 'failed'],
    [425, '', 'retry'],
    [429, 'slow down', 'retry'],
    [500, 'oops', 'retry'],
    [503, '', 'retry'],
    [599, '', 'retry'],
    [999, '', 'retry'],
  ])('that is answered %i "%s" is %s, in its words', async (status, words, state) => {
    const { outcome } = await told(kind, says(status, words, { location: 'http://127.0.0.1:1/' }));
    expect(outcome.state).toBe(state);
    expect('reply' in outcome ? outcome.reply : outcome.reason).toContain(`HTTP ${status} ${words}`.trim());
  });

  it.each([502, 504])('that a gateway answers %i may have been told', async (status) => {
    const { outcome } = await told(kind, says(status));
    expect(outcome.state).toBe(other(kind) ? 'unknown' : 'retry');
  });

  it.each<[string | null, number, number]>([
    ['7', 7_000, 7_000],
    ['0', 0, 0],
    ['99999999', 86_400_000, 86_400_000],
    [new Date(Date.now() + 90_000).toUTCString(), 60_000, 90_000],
    ['Wed, 21 Oct 2020 07:28:00 GMT', 0, 0],
  ])('waits as long as it is asked to: retry-after %s', async (retryAfter, atLeast, atMost) => {
    for (const status of [429, 503]) {
      const { outcome } = await told(kind, says(status, '', { 'retry-after': retryAfter ?? '' }));
      const waitMs = outcome.state === 'retry' ? outcome.retryAfterMs : null;
      expect(waitMs).toBeGreaterThanOrEqual(atLeast);
      expect(waitMs).toBeLessThanOrEqual(atMost);
    }
  });

  it.each(['soon', '', '-5', 'NaN'])('does not wait for a retry-after that says nothing: "%s"', async (retryAfter) => {
    const { outcome } = await told(kind, says(429, '', { 'retry-after': retryAfter }));
    expect(outcome).toMatchObject({ state: 'retry', retryAfterMs: null });
  });

  it.each<[string, RequestListener, RegExp]>([
    ['never answers', () => undefined, /no answer came in time/],
    ['resets the connection', (request) => request.socket.resetAndDestroy(), /reset|closed/],
    ['closes the connection', (request) => request.socket.destroy(), /reset|closed/],
    ['answers something else', (request) => request.socket.end('SSH-2.0-x\r\n'), /does not speak HTTP|closed/],
    [
      'sends headers without end',
      (request) => {
        request.socket.write('HTTP/1.1 200 OK\r\n');
        const dripping = setInterval(() => request.socket.write(`x-${'y'.repeat(50)}: z\r\n`), 50);
        request.socket
          .on('error', () => undefined)
          .on('close', () => {
            clearInterval(dripping);
          });
      },
      /not complete after 1.2 s|no answer|network failure/,
    ],
  ])('that a server takes and %s may have been told', async (_what, answer, said) => {
    const { outcome, calls } = await told(kind, answer);
    expect(outcome.state).toBe(other(kind) ? 'unknown' : 'retry');
    expect('reason' in outcome ? outcome.reason : '').toMatch(said);
    expect(calls).toBe(1);
  });

  it('does not leave if it may not, and the error is the one that said so', async () => {
    const sink = await httpSink(says(200));
    const refusal = new Error('the delivery is taken');
    const door = sinkDoor({ pagerDutyUrls: pagerDutyAt(sink.url) });
    const telling = door.tell(targetOf(kind, sink.url), messageOf(TROUBLE), {
      signal: NEVER,
      beforeBody: () => Promise.reject(refusal),
    });
    await expect(telling).rejects.toBe(refusal);
    expect(sink.heard).toEqual([]);
    await sink.close();
  });

  it('that was called off is tried again before it left, and after it only if that repeats nothing', async () => {
    const sink = await httpSink(() => undefined);
    const door = sinkDoor({ pagerDutyUrls: pagerDutyAt(sink.url) });
    for (const isLate of [false, true]) {
      const control = new AbortController();
      const telling = door.tell(targetOf(kind, sink.url), messageOf(TROUBLE), {
        signal: control.signal,
        beforeBody: () => {
          if (!isLate) control.abort();
          return Promise.resolve();
        },
      });
      if (isLate) {
        await until('it was heard', () => sink.heard.length === 1);
        control.abort();
      }
      const { state } = await telling;
      expect(state).toBe(isLate && other(kind) ? 'unknown' : 'retry');
      expect(sink.heard).toHaveLength(isLate ? 1 : 0);
    }
    await sink.close();
  });

  it('to a port where nobody listens is tried again', async () => {
    const door = sinkDoor({ pagerDutyUrls: pagerDutyAt('http://127.0.0.1:1/') });
    const outcome = await door.tell(targetOf(kind, 'http://127.0.0.1:1'), messageOf(TROUBLE), FREELY);
    expect(outcome).toEqual({ state: 'retry', reason: '127.0.0.1: the connection was refused', retryAfterMs: null });
  });
});

describe('a reply', () => {
  it('of 20 MB is read only at its beginning', async () => {
    let written = 0;
    const { outcome } = await told('webhook', (_request, response) => {
      response.writeHead(200);
      const more = (): void => {
        while (written < 20 * 2 ** 20 && !response.destroyed) {
          written += 65_536;
          if (!response.write('x'.repeat(65_536))) {
            response.once('drain', more);
            return;
          }
        }
        response.end();
      };
      more();
    });
    expect(outcome.state).toBe('sent');
    expect('reply' in outcome ? outcome.reply.length : 0).toBeLessThan(400);
    expect(written).toBeLessThan(10 * 2 ** 20);
  });

  it('that is compressed is not unpacked', async () => {
    const bomb = gzipSync(Buffer.alloc(50 * 2 ** 20));
    const { outcome } = await told('slack', (_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb),
    );
    expect(outcome).toEqual({ state: 'sent', reply: 'HTTP 200' });
  });

  it('that drips or breaks off does not undo that the notice was taken', async () => {
    const drip: RequestListener = (_request, response) => {
      response.writeHead(200);
      const dripping = setInterval(() => response.write('x'), 50);
      response.on('close', () => {
        clearInterval(dripping);
      });
    };
    expect((await told('slack', drip)).outcome).toEqual({ state: 'sent', reply: 'HTTP 200' });
    const cut: RequestListener = (request, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('half', () => request.socket.resetAndDestroy());
    };
    expect((await told('slack', cut)).outcome.state).toBe('sent');
  });

  it('is shown as one line without control characters', async () => {
    const { outcome } = await told('slack', says(400, 'a\u001b[31m\r\nb\u0000\u202ec  d'));
    expect(outcome).toEqual({ state: 'failed', reason: '127.0.0.1 answered HTTP 400 a [31m b c d' });
  });

  it('of a redirect is followed nowhere', async () => {
    const elsewhere = await httpSink(says(200));
    for (const status of [301, 302, 303, 307, 308]) {
      const { outcome, heard } = await told('webhook', says(status, '', { location: `${elsewhere.url}/x` }));
      expect(outcome).toMatchObject({ state: 'failed', reason: expect.stringContaining('does not follow') as string });
      expect(heard).toHaveLength(1);
    }
    expect(elsewhere.heard).toEqual([]);
    await elsewhere.close();
  });
});

describe('a webhook', () => {
  const older = `whsec_${Buffer.from('another secret of some bytes').toString('base64')}`;

  it.each([SECRET, older])('is accepted by the official verifier with either of two secrets', async (secret) => {
    const sink = await httpSink(says(204));
    const message = messageOf(REPORT, { data: { name: '</script> ☃ \u2028', total: '12408.17' } });
    await sinkDoor().tell({ kind: 'webhook', url: `${sink.url}/in`, secrets: [SECRET, older] }, message, FREELY);
    const { headers, body = '' } = sink.heard[0] ?? {};
    const signed = Object.fromEntries(
      ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) => [name, String(headers?.[name])]),
    );
    expect(new Webhook(secret).verify(body, signed)).toEqual({
      type: 'notice.report',
      timestamp: '2026-11-30T06:42:00.000Z',
      data: { name: '</script> ☃ \u2028', total: '12408.17' },
    });
    expect(() => new Webhook(secret).verify(`${body} `, signed)).toThrow();
    expect(() => new Webhook(`whsec_${'A'.repeat(32)}`).verify(body, signed)).toThrow();
    await sink.close();
  });

  it('has the same id and the same body on every try', async () => {
    const sink = await httpSink(says(500));
    await sinkDoor().tell(targetOf('webhook', sink.url), messageOf(REPORT), FREELY);
    await sinkDoor().tell(targetOf('webhook', sink.url), messageOf(REPORT), FREELY);
    const [first, second] = sink.heard.map(({ headers, body }) => [headers['webhook-id'], body]);
    expect(first).toEqual(second);
    expect(first?.[0]).toBe(messageOf(REPORT).noticeId);
    await sink.close();
  });

  it.each([[[]], [['whsec_short']], [['not a secret at all, but long enough']]])(
    'without a good secret is not sent: %j',
    async (secrets) => {
      const sink = await httpSink(says(200));
      const outcome = await sinkDoor().tell({ kind: 'webhook', url: sink.url, secrets }, messageOf(REPORT), FREELY);
      expect(outcome).toEqual({ state: 'failed', reason: 'the secret is not in the form of Standard Webhooks' });
      expect(sink.heard).toEqual([]);
      await sink.close();
    },
  );
});

it('PagerDuty resolves with the key that it triggered with', async () => {
  const events: unknown[] = [];
  for (const isClosed of [false, true]) {
    const { heard } = await told('pagerduty', says(202), messageOf(TROUBLE, { isClosed }));
    events.push(JSON.parse(heard[0]?.body ?? ''));
  }
  const key = { routing_key: ROUTING_KEY, dedup_key: 'connection_trouble:2f0c7d5e' };
  expect(events[0]).toMatchObject({
    ...key,
    event_action: 'trigger',
    payload: { severity: 'critical', summary: TROUBLE.subject },
  });
  expect(events[1]).toEqual({ ...key, event_action: 'resolve' });
});

it.each([
  ['us', 'events.pagerduty.com'],
  ['eu', 'events.eu.pagerduty.com'],
] as const)('PagerDuty gets the events of an account in %s at %s', async (region, host) => {
  const asked: string[] = [];
  const door = sinkDoor({
    resolve: (hostname, _options, done) => {
      asked.push(hostname);
      done(Object.assign(new Error('nowhere'), { code: 'ENOTFOUND' }), []);
    },
  });
  const beforeBody = (): Promise<void> => Promise.resolve();
  const target = { kind: 'pagerduty', routingKey: ROUTING_KEY, region } as const;
  expect(await door.tell(target, messageOf(TROUBLE), { signal: NEVER, beforeBody })).toMatchObject({ state: 'retry' });
  expect(asked).toEqual([host]);
});
