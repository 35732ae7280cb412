import { createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { RequestListener } from 'node:http';
import { describe, expect, it } from 'vitest';
import { secretsOfUrl, cleanedOf } from '../../notify/words.ts';
import { Search, secret } from '../security/search.ts';
import { TROUBLE, messageOf } from './messages.ts';
import { KINDS, PATH, ROUTING_KEY, SECRET, httpSink, pagerDutyAt, sinkDoor, targetOf } from './sink.ts';

const FREELY = { signal: new AbortController().signal, beforeBody: () => Promise.resolve() };
/** Parts of every secret that is long enough to be one. */
const CANARIES = [/CanaryToken/, /T0CANARY01/, /B0CANARY02/, /00canary/, new RegExp(SECRET.slice(6, 20))];

const SECRETS = [
  secret('the path', PATH, '/services/'),
  secret('the routing key', ROUTING_KEY),
  secret('the secret of the webhook', SECRET, 'whsec_'),
];

/** How a server may quote what it got. */
const QUOTES: Readonly<Record<string, (request: string) => string>> = {
  plainly: (request) => request,
  'in JSON': (request) => JSON.stringify({ error: request }),
  'as PHP writes JSON': (request) => JSON.stringify({ error: request }).replaceAll('/', String.raw`\/`),
  'in a URL': (request) => encodeURIComponent(request),
  'in base64': (request) => Buffer.from(request).toString('base64'),
  'in base64, a byte later': (request) => Buffer.from(`x${request}`).toString('base64'),
  'in base64, two bytes later': (request) => Buffer.from(`xx${request}`).toString('base64'),
  'piece by piece': (request) => request.split(/[/?&="]/).join(' | '),
  'without its end': (request) => request.slice(0, PATH.length),
};

describe.each(KINDS)('a server that gets a notice by %s and quotes it', (kind) => {
  const statuses = [200, 302, 400, 404, 410, 429, 500, 504];

  it.each(Object.entries(QUOTES))('%s: no secret is in what came of it', async (_how, quote) => {
    for (const status of statuses) {
      const answer: RequestListener = (request, response) => {
        const { url = '', headers } = request;
        const words = quote(`${url}\n${sink.heard.at(-1)?.body.slice(0, 200) ?? ''}\n${JSON.stringify(headers)}`);
        response.writeHead(status, { location: url, 'retry-after': '1', 'x-quoted': url }).end(words);
      };
      const sink = await httpSink(answer);
      const door = sinkDoor({ pagerDutyUrls: pagerDutyAt(`${sink.url}/v2/enqueue`) });
      const outcome = await door.tell(targetOf(kind, sink.url), messageOf(TROUBLE), FREELY);
      await sink.close();
      expect(sink.heard).toHaveLength(1);
      for (const canary of CANARIES) expect(JSON.stringify(outcome)).not.toMatch(canary);
      expect(new Search(SECRETS).in('the outcome', JSON.stringify(outcome))).toEqual([]);
    }
  });
});

it('no failure of the network names more of an address than its host', async () => {
  const rude = createServer((socket) => {
    socket
      .on('error', () => undefined)
      .once('data', (bytes) => socket.end(`HTTP/1.1 ${PATH}\r\n${bytes.toString()}\r\n\r\n`));
  });
  rude.listen(0, '127.0.0.1');
  await once(rude, 'listening');
  const { port } = rude.address() as AddressInfo;
  const bases = [
    `http://127.0.0.1:${port}`,
    `https://127.0.0.1:${port}`,
    'http://127.0.0.1:1',
    'https://10.0.0.1',
    'https://no-such-host.invalid',
    `http://user:CanaryToken@127.0.0.1:${port}`,
    'ftp://127.0.0.1',
    'https://127.0.0.1:99999',
  ];
  for (const base of bases) {
    for (const kind of KINDS) {
      const outcome = await sinkDoor({ pagerDutyUrls: pagerDutyAt(base) }).tell(
        targetOf(kind, base),
        messageOf(TROUBLE),
        FREELY,
      );
      expect([base, outcome.state]).not.toEqual([base, 'sent']);
      for (const canary of CANARIES)
        expect([base, JSON.stringify(outcome)]).toEqual([base, expect.not.stringMatching(canary)]);
    }
  }
  rude.close();
});

it('the parts of an address are struck out, and common words stay', () => {
  const url = new URL('https://hooks.example/api/v1/workflows/0f3c9a?sig=Sig%2FnatureOne&x=1');
  const clean = cleanedOf([...secretsOfUrl(url), ROUTING_KEY]);
  expect(clean('no workflow 0f3c9a here, sig=Sig%2FnatureOne or Sig/natureOne, v1 at hooks.example')).toBe(
    'no workflow … here, … or …, v1 at hooks.example',
  );
});
