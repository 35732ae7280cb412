import type { LookupAddress } from 'node:dns';
import { once } from 'node:events';
import { createServer as createHttp } from 'node:http';
import { createServer, type AddressInfo, type Server } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ALLOW_NOTHING, parseAllowList, type AllowList } from '../../domain/notices/allow-list.ts';
import { parseIp, parseRange, reachOf } from '../../domain/notices/ip.ts';
import { isMailAddress, isRoutingKey, isWebhookSecret, problemWithUrl } from '../../domain/notices/targets.ts';
import type { Outcome } from '../../notify/door.ts';
import { guardedConnector, type Resolver } from '../../notify/http/guard.ts';
import { TROUBLE, messageOf } from './messages.ts';
import { SECRET, httpSink, sinkDoor, targetOf } from './sink.ts';

const FREELY = { signal: new AbortController().signal, beforeBody: () => Promise.resolve() };

function allowing(text: string): AllowList {
  const list = parseAllowList(text);
  if (list === null) throw new Error('not a list');
  return list;
}

/** Answers each look-up with the next addresses, and the last ones for ever. */
function resolving(...answers: readonly (readonly string[])[]): Resolver & { readonly asked: string[] } {
  const asked: string[] = [];
  const left = [...answers];
  const resolve: Resolver = (hostname, _options, callback) => {
    asked.push(hostname);
    const addresses = (left.length > 1 ? left.shift() : left[0]) ?? [];
    const found = addresses.map((address): LookupAddress => ({ address, family: address.includes(':') ? 6 : 4 }));
    callback(null, found);
  };
  return Object.assign(resolve, { asked });
}

describe('an address', () => {
  it.each<[string, string]>([
    ['8.8.8.8', 'public'],
    ['172.15.255.255', 'public'],
    ['172.32.0.0', 'public'],
    ['100.63.255.255', 'public'],
    ['2606:4700::1111', 'public'],
    ['::ffff:8.8.8.8', 'public'],
    ['64:ff9b::808:808', 'public'],
    ['10.0.0.1', 'private'],
    ['127.0.0.1', 'private'],
    ['127.255.255.254', 'private'],
    ['100.64.0.1', 'private'],
    ['169.254.169.254', 'private'],
    ['172.16.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['192.168.1.1', 'private'],
    ['198.18.0.1', 'private'],
    ['192.0.2.1', 'private'],
    ['::1', 'private'],
    ['fe80::1', 'private'],
    ['fe80::1%eth0', 'private'],
    ['fc00::1', 'private'],
    ['fd12:3456::1', 'private'],
    ['fec0::1', 'private'],
    ['2001:db8::1', 'private'],
    ['2002:7f00:1::', 'private'],
    ['2001::1', 'private'],
    ['::127.0.0.1', 'private'],
    ['::ffff:127.0.0.1', 'private'],
    ['::ffff:7f00:1', 'private'],
    ['::ffff:a9fe:a9fe', 'private'],
    ['64:ff9b::a9fe:a9fe', 'private'],
    ['64:ff9b:1::808:808', 'private'],
    ['0.0.0.0', 'nobody'],
    ['0.1.2.3', 'nobody'],
    ['224.0.0.1', 'nobody'],
    ['255.255.255.255', 'nobody'],
    ['::', 'nobody'],
    ['ff02::1', 'nobody'],
    ['::ffff:0.0.0.0', 'nobody'],
  ])('%s is %s', (text, reach) => {
    const ip = parseIp(text);
    expect(ip === null ? null : reachOf(ip)).toBe(reach);
  });

  it.each([
    '',
    '1',
    '127.1',
    '0177.0.0.1',
    '0x7f.0.0.1',
    '2130706433',
    '1.2.3.4.5',
    '256.1.1.1',
    '1.2.3.4 ',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '12345::',
    'g::',
    '::1.2.3',
    '1:2:3:4:5:6:7:8:9',
  ])('is not what only looks like one: "%s"', (text) => {
    expect(parseIp(text)).toBeNull();
  });

  it('is read as it was written, in every spelling of IPv6', () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const ip = parseIp(text);
        const canonical = new URL(`http://[${text}]`).hostname.slice(1, -1);
        expect(ip).not.toBeNull();
        expect(parseIp(canonical)).toEqual(ip);
      }),
    );
    fc.assert(
      fc.property(fc.ipV4(), (text) => {
        expect(parseIp(text)?.value.toString()).toBe(String(Buffer.from(text.split('.').map(Number)).readUInt32BE()));
      }),
    );
  });

  it('of a range is in it, and its neighbors are not', () => {
    expect(parseRange('10.0.0.0/8')).toMatchObject({ version: 4, width: 8 });
    for (const text of ['10.0.0.0/33', '10.0.0.0/', '10.0.0.0/-1', '::/129', '/8', '10.0.0/8', 'fe80::1%eth0']) {
      expect([text, parseRange(text)]).toEqual([text, null]);
    }
  });
});

describe('the list of places in private networks', () => {
  it.each([
    'hooks.internal',
    'Hooks.Internal, 10.0.0.0/8,::1',
    '[::1]',
    '127.0.0.1',
    'localhost',
    'fd00::/8',
    'a_b.c-d',
  ])('may be "%s"', (text) => {
    expect(parseAllowList(text)).not.toBeNull();
  });

  it.each([
    '',
    ',',
    'https://hooks.internal',
    'hooks.internal:8080',
    'a b',
    '*.internal',
    '*',
    '10.0.0.0/33',
    '10.0.0',
    '999.1.1.1',
    '-a',
    'a..b',
    `${'a'.repeat(64)}.b`,
  ])('may not be "%s"', (text) => {
    expect(parseAllowList(text)).toBeNull();
  });
});

describe('the text of an address to notify', () => {
  it.each([
    'https://hooks.slack.com/services/T0/B0/xyz',
    'https://prod-12.westeurope.logic.azure.com:443/workflows/a/triggers/manual/paths/invoke?api-version=2016-06-01&sig=x',
    'https://8.8.8.8/x',
    'https://[2606:4700::1111]/',
    'https://münchen.example/x',
  ])('may be %s', (text) => {
    expect(problemWithUrl(text, ALLOW_NOTHING)).toBeNull();
  });

  it.each([
    '',
    'hooks.slack.com',
    'http://hooks.slack.com/x',
    'ftp://hooks.slack.com/x',
    'file:///etc/passwd',
    'javascript:0',
    'https://user@hooks.slack.com/x',
    'https://user:password@hooks.slack.com/x',
    'https://:password@hooks.slack.com/x',
    'https://hooks.slack.com/x#y',
    'https://hooks.slack.com/x y',
    'https://hooks.slack.com/\r\nx',
    'https://127.0.0.1/x',
    'https://2130706433/x',
    'https://0x7f000001/x',
    'https://0177.0.0.1/x',
    'https://127.1/x',
    'https://127.0.0.1./x',
    'https://①②⑦.0.0.1/x',
    'https://0/x',
    'https://0.0.0.0/x',
    'https://[::]/x',
    'https://[::1]/x',
    'https://[::ffff:127.0.0.1]/x',
    'https://[64:ff9b::7f00:1]/x',
    'https://169.254.169.254/latest/meta-data',
    'https://[fd00:ec2::254]/x',
    'https://localhost/x',
    'https://localhost./x',
    'https://x.localhost/x',
    'https://LOCALHOST/x',
    `https://hooks.slack.com/${'x'.repeat(2_048)}`,
  ])('may not be %j, and the problem quotes nothing of it', (text) => {
    const problem = problemWithUrl(text, ALLOW_NOTHING);
    expect(problem).toMatch(/^must /);
    expect(problem).not.toMatch(/hooks|passwd|meta-data/);
  });

  it.each<[string, string, boolean]>([
    ['http://hooks.internal:8080/x', 'hooks.internal', true],
    ['http://HOOKS.internal./x', 'hooks.internal', true],
    ['http://other.internal/x', 'hooks.internal', false],
    ['http://sub.hooks.internal/x', 'hooks.internal', false],
    ['http://hooks.internal.evil.example/x', 'hooks.internal', false],
    ['http://10.1.2.3/x', '10.0.0.0/8', true],
    ['https://10.1.2.3/x', '10.0.0.0/8', true],
    ['http://[::ffff:10.1.2.3]/x', '10.0.0.0/8', true],
    ['https://192.168.0.1/x', '10.0.0.0/8', false],
    ['http://localhost/x', 'localhost', true],
    ['http://127.0.0.1/x', 'localhost', false],
    ['https://0.0.0.0/x', '0.0.0.0/0', false],
    ['https://user@10.1.2.3/x', '10.0.0.0/8', false],
  ])('%s with the list "%s" is let through: %s', (text, list, isGood) => {
    expect(problemWithUrl(text, allowing(list)) === null).toBe(isGood);
  });
});

describe('other targets', () => {
  it.each([
    'ada@example.org',
    "o'neil+cost@mail.example.co.uk",
    'ada@localhost',
    'ada@münchen.example',
    'дмитрий@example.org',
  ])('a mail address may be %s', (text) => {
    expect(isMailAddress(text)).toBe(true);
  });

  it.each([
    '',
    '@',
    'ada',
    'ada@',
    '@example.org',
    'ada@@example.org',
    'ada@example..org',
    '.ada@example.org',
    'ada@-a.org',
    'ada@exa mple.org',
    'a b@example.org',
    'ada@example.org\n',
    'ada@example.org\r\nBcc: eve@example.org',
    'Ada <ada@example.org>',
    'ada@example.org,eve@example.org',
    '"a b"@example.org',
    'ada@[127.0.0.1]',
    'a\u202eda@example.org',
    `${'a'.repeat(65)}@example.org`,
    `a@${'b.'.repeat(130)}org`,
  ])('a mail address may not be %j', (text) => {
    expect(isMailAddress(text)).toBe(false);
  });

  it('a secret of a webhook has 24 to 64 bytes, and a routing key 32 characters', () => {
    const secretOf = (bytes: number): string => `whsec_${Buffer.alloc(bytes, 7).toString('base64')}`;
    expect([23, 24, 25, 26, 63, 64, 65].map((bytes) => isWebhookSecret(secretOf(bytes)))).toEqual([
      false,
      true,
      true,
      true,
      true,
      true,
      false,
    ]);
    expect([secretOf(32).slice(6), `${secretOf(32)}\n`, 'whsec_', 'whsec_*'].map(isWebhookSecret)).toEqual([
      false,
      false,
      false,
      false,
    ]);
    expect(['a'.repeat(32), 'a'.repeat(31), `${'a'.repeat(31)}\n`, `${'a'.repeat(31)}/`].map(isRoutingKey)).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });
});

describe('the address that a connection goes to', () => {
  let trap: Server;
  let port: number;
  let connections = 0;
  beforeAll(async () => {
    trap = createServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    trap.listen(0, '0.0.0.0');
    await once(trap, 'listening');
    ({ port } = trap.address() as AddressInfo);
  });
  afterAll(() => trap.close());

  const tell = (url: string, resolve: Resolver, allow = ALLOW_NOTHING): Promise<Outcome> =>
    sinkDoor({ resolve, allow }).tell({ kind: 'webhook', url, secrets: [SECRET] }, messageOf(TROUBLE), FREELY);

  it.each([
    ['127.0.0.1', 'a private address'],
    ['10.0.0.7', 'a private address'],
    ['169.254.169.254', 'a private address'],
    ['::ffff:127.0.0.1', 'a private address'],
    ['::1', 'a private address'],
    ['0.0.0.0', 'an address that nobody can have'],
  ])('is not %s, whatever its name is', async (address, what) => {
    connections = 0;
    const outcome = await tell(`https://hooks.example:${port}/x`, resolving([address]));
    expect(outcome).toEqual({
      state: 'failed',
      reason: expect.stringContaining(`hooks.example leads to ${address}, which is ${what}`) as string,
    });
    expect(connections).toBe(0);
  });

  it('is not a private one that the name has at its second look-up', async () => {
    connections = 0;
    // 192.0.2.1 stands for a public address: its range is named, and nobody answers there.
    const resolve = resolving(['192.0.2.1'], ['127.0.0.1']);
    const allow = allowing('192.0.2.0/24');
    expect(await tell(`https://hooks.example:${port}/x`, resolve, allow)).toMatchObject({ state: 'retry' });
    expect(resolve.asked).toEqual(['hooks.example']);
    expect(await tell(`https://hooks.example:${port}/x`, resolve, allow)).toMatchObject({ state: 'failed' });
    expect(connections).toBe(0);
  });

  it('is looked up once for a connection, and nobody looks it up again', async () => {
    const sink = await httpSink((_request, response) => response.end('ok'));
    const resolve = resolving(['127.0.0.1'], ['10.0.0.1']);
    const url = sink.url.replace('127.0.0.1', 'hooks.internal');
    expect(await tell(url, resolve, allowing('hooks.internal'))).toMatchObject({ state: 'sent' });
    expect(resolve.asked).toEqual(['hooks.internal']);
    await sink.close();
  });

  it('is one of the good ones if the name has good and bad ones', async () => {
    const sink = await httpSink((_request, response) => response.end('ok'));
    const { port: good } = new URL(sink.url);
    const resolve = resolving(['10.255.255.1', '127.0.0.1', '0.0.0.0']);
    const list = allowing('hooks.internal2, 127.0.0.1');
    const url = `https://hooks.internal:${good}/x`;
    // The sink speaks no TLS, so the attempt ends there; the bad addresses would have been refused or taken longer.
    expect(await tell(url, resolve, list)).toMatchObject({
      state: 'retry',
      reason: expect.stringMatching(/^hooks\.internal: /) as string,
    });
    await sink.close();
  });

  it('is checked before a connection even if it stands in the place of a name', async () => {
    connections = 0;
    const connect = guardedConnector(ALLOW_NOTHING, resolving(['8.8.8.8']), 1_000);
    for (const hostname of ['127.0.0.1', '[::1]', '[::ffff:127.0.0.1]', '0.0.0.0']) {
      const error = await new Promise<Error | null>((done) => {
        connect({ hostname, protocol: 'http:', port: String(port) }, (...[failed]) => {
          done(failed);
        });
      });
      expect(error?.message).toMatch(/is (a private address|an address that nobody can have)/);
    }
    expect(connections).toBe(0);
  });

  it('is checked again once it is connected', async () => {
    connections = 0;
    // A resolver that lies about what it gave: the address is good when it is checked, and another one when it is used.
    let reads = 0;
    const lying: Resolver = (_hostname, _options, callback) => {
      const entry = {
        family: 4,
        get address() {
          reads += 1;
          return reads === 1 ? '192.0.2.1' : '127.0.0.1';
        },
      };
      callback(null, [entry]);
    };
    const connect = guardedConnector(allowing('192.0.2.0/24'), lying, 1_000);
    const error = await new Promise<Error | null>((done) => {
      connect({ hostname: 'hooks.example', protocol: 'http:', port: String(port) }, (...[failed]) => {
        done(failed);
      });
    });
    expect(error?.message).toContain('hooks.example leads to 127.0.0.1');
  });
});

describe('through a proxy', () => {
  async function proxied(resolve: Resolver, url: string): Promise<{ outcome: Outcome; asked: (string | undefined)[] }> {
    const asked: (string | undefined)[] = [];
    const proxy = createHttp();
    proxy.on('connect', (request, socket) => {
      asked.push(request.url);
      socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const door = sinkDoor({ resolve, allow: ALLOW_NOTHING, proxy: { url: address, noProxy: 'direct.example' } });
    const outcome = await door.tell(targetOf('slack', url), messageOf(TROUBLE), FREELY);
    proxy.close();
    return { outcome, asked };
  }

  it('the proxy is asked for the name, and its refusal is tried again', async () => {
    const { outcome, asked } = await proxied(resolving(['8.8.8.8']), 'https://hooks.example');
    expect(asked).toEqual(['hooks.example:443']);
    expect(outcome).toEqual({
      state: 'retry',
      reason: 'the proxy does not let the request through (HTTP 403)',
      retryAfterMs: null,
    });
  });

  it('a name that nobody here knows is left to the proxy', async () => {
    const { asked } = await proxied(resolving([]), 'https://hooks.example');
    expect(asked).toEqual(['hooks.example:443']);
  });

  it.each([['10.0.0.1'], ['8.8.8.8', '169.254.169.254']])(
    'a name with a private address is not asked for: %s',
    async (...addresses) => {
      const { outcome, asked } = await proxied(resolving(addresses), 'https://hooks.example');
      expect(outcome).toMatchObject({ state: 'failed' });
      expect(asked).toEqual([]);
    },
  );

  it('what goes around it is checked where it connects', async () => {
    const { outcome, asked } = await proxied(resolving(['127.0.0.1']), 'https://direct.example');
    expect(outcome).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('direct.example leads to 127.0.0.1') as string,
    });
    expect(asked).toEqual([]);
  });
});
