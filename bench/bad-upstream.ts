import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { request } from 'undici';
import { addDays, type Day } from '../domain/days.ts';
import type { Upstream } from './world.ts';

interface Bucket {
  readonly starting_at: string;
  readonly results: readonly unknown[];
}

interface Page {
  readonly data: readonly Bucket[];
}

/** Passes everything on to the simulator, and adds rows of JSON text to the cost lines of one day. */
export async function startBadUpstream(upstream: Upstream, day: Day, rows: string): Promise<Upstream> {
  const answer = async (asked: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(asked.url ?? '/', upstream.url);
    const headers = Object.fromEntries(
      ['x-api-key', 'anthropic-version', 'user-agent'].map((name) => [name, String(asked.headers[name] ?? '')]),
    );
    const reply = await request(url, { headers });
    let text = await reply.body.text();
    if (reply.statusCode === 200 && holdsDay(url, day)) text = withRows(text, day, rows);
    const organization = String(reply.headers['anthropic-organization-id'] ?? '');
    response.writeHead(reply.statusCode, {
      'content-type': 'application/json',
      'request-id': String(reply.headers['request-id'] ?? ''),
      ...(organization === '' ? {} : { 'anthropic-organization-id': organization }),
    });
    response.end(text);
  };
  const server = createServer((asked, response) => {
    // A client that gave up is no failure of the measurement.
    void answer(asked, response).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    ...upstream,
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Whether a request asks for the cost lines of the day. */
function holdsDay({ pathname, searchParams }: URL, day: Day): boolean {
  const from = searchParams.get('starting_at') ?? '';
  const to = searchParams.get('ending_at') ?? '9999';
  return (
    pathname.endsWith('/cost_report') &&
    searchParams.has('group_by[]') &&
    from.slice(0, 10) <= day &&
    to.slice(0, 10) >= addDays(day, 1)
  );
}

function withRows(text: string, day: Day, rows: string): string {
  // The simulator's own page needs no check.
  const { data, ...rest } = JSON.parse(text) as Page;
  const buckets = data.map((bucket) => {
    const whole = JSON.stringify(bucket);
    if (!bucket.starting_at.startsWith(day)) return whole;
    return `${whole.slice(0, -2)}${bucket.results.length === 0 ? '' : ','}${rows}]}`;
  });
  return `{"data":[${buckets.join(',')}],${JSON.stringify(rest).slice(1)}`;
}
