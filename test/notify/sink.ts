import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseAllowList } from '../../domain/notices/allow-list.ts';
import { openDoor, type Door, type DoorSettings, type Target } from '../../notify/door.ts';

export const AGENT = 'Meterline/9.9.9';
export const SECRET = `whsec_${Buffer.from('a secret of 27 bytes, at least').toString('base64')}`;
/** A path as Slack's are: whoever knows it may post. */
export const PATH = '/services/T0CANARY01/B0CANARY02/CanaryTokenCanaryToken24';
export const ROUTING_KEY = 'c0ffee00canary00c0ffee00canary99';

const allowed = parseAllowList('127.0.0.1, localhost');
if (allowed === null) throw new Error('not a list');
/** What lets notices go to sinks on this machine. */
export const TO_SINKS = allowed;

/** A door to sinks on this machine, in a hurry. */
export function sinkDoor(settings: Partial<DoorSettings> = {}): Door {
  return openDoor({
    smtp: null,
    mailFrom: null,
    allow: TO_SINKS,
    userAgent: AGENT,
    timeouts: { http: { connectMs: 1_000, headersMs: 600, wholeMs: 1_200 } },
    ...settings,
  });
}

export interface Heard {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface HttpSink {
  readonly url: string;
  readonly heard: Heard[];
  close(): Promise<void>;
}

/** A server that keeps what it hears, and answers as it is told once it has heard all of it. */
export async function httpSink(answer: RequestListener): Promise<HttpSink> {
  const heard: Heard[] = [];
  const server: Server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on('error', () => undefined);
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      const { method, url, headers } = request;
      heard.push({ method, url, headers, body: Buffer.concat(pieces).toString() });
      answer(request, response);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    heard,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** One address for every region of PagerDuty. */
export function pagerDutyAt(url: string): { us: string; eu: string } {
  return { us: url, eu: url };
}

export const KINDS = ['slack', 'teams', 'webhook', 'pagerduty'] as const;

/** A target of a kind whose address leads to a server; PagerDuty's address is a setting of the door. */
export function targetOf(kind: (typeof KINDS)[number], url: string): Target {
  switch (kind) {
    case 'slack':
    case 'teams':
      return { kind, url: url + PATH };
    case 'webhook':
      return { kind, url: url + PATH, secrets: [SECRET] };
    case 'pagerduty':
      return { kind, routingKey: ROUTING_KEY, region: 'us' };
  }
}
