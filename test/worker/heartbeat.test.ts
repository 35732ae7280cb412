import type { RequestListener } from 'node:http';
import { Client, Connection } from '@temporalio/client';
import { pino, type Logger } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { openDatabase } from '../../db/core/database.ts';
import { ALLOW_NOTHING } from '../../domain/notices/allow-list.ts';
import { askHeartbeat, type HeartbeatRoute } from '../../notify/http/heartbeat.ts';
import { Heartbeat } from '../../worker/heartbeat.ts';
import { startKeeper } from '../../worker/keeper-rounds.ts';
import { Outages } from '../../worker/outages.ts';
import { anyFreePort } from '../../local/processes/ports.ts';
import { AGENT, PATH, TO_SINKS, httpSink, type HttpSink } from '../notify/sink.ts';
import { until } from '../support/wait.ts';
import { createWorld } from '../support/world.ts';

const ROUTE: HeartbeatRoute = {
  allow: TO_SINKS,
  proxy: { url: null, noProxy: '' },
  userAgent: AGENT,
  timeouts: { connectMs: 500, headersMs: 500, wholeMs: 700 },
};
const SIGNAL = new AbortController().signal;

const open: (() => Promise<unknown> | undefined)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function sinkThat(answer: RequestListener): Promise<HttpSink> {
  const sink = await httpSink(answer);
  open.push(() => sink.close());
  return sink;
}

describe('a heartbeat', () => {
  it('is one GET that carries nothing, and is heard if the answer is 2xx', async () => {
    const sink = await sinkThat((_request, response) => response.writeHead(204).end());
    expect(await askHeartbeat(`${sink.url}${PATH}?a=b`, ROUTE, SIGNAL)).toBeNull();
    const [{ method, url, headers, body } = { method: '', url: '', headers: {}, body: 'x' }] = sink.heard;
    expect([method, url, body]).toEqual(['GET', `${PATH}?a=b`, '']);
    expect(Object.keys(headers).sort()).toEqual(['connection', 'host', 'user-agent']);
  });

  it.each<[string, RequestListener, RegExp]>([
    ['500', (_request, response) => response.writeHead(500).end('no'), /127\.0\.0\.1 answered HTTP 500/],
    [
      'a redirect',
      (_request, response) => response.writeHead(302, { location: '/elsewhere' }).end(),
      /127\.0\.0\.1 answered HTTP 302: a redirect, which Meterline does not follow/,
    ],
    // Which of the two limits ends it first is not certain.
    ['nothing', () => undefined, /no answer came (?:in time|within)/],
    ['a reset', (request) => request.socket.resetAndDestroy(), /127\.0\.0\.1: the connection was/],
  ])('that is answered with %s is asked once, and is not heard', async (_name, answer, problem) => {
    const sink = await sinkThat(answer);
    const said = await askHeartbeat(sink.url + PATH, ROUTE, SIGNAL);
    expect(said).toMatch(problem);
    expect(said).not.toContain('Canary');
    expect(sink.heard).toHaveLength(1);
  });

  it('reads nothing of an endless answer', async () => {
    let written = 0;
    const sink = await sinkThat((_request, response) => {
      response.writeHead(200);
      const more = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536))) written += 65_536;
      };
      response.on('drain', more);
      more();
    });
    expect(await askHeartbeat(sink.url + PATH, ROUTE, SIGNAL)).toBeNull();
    // What fits into the buffers of both ends.
    expect(written).toBeLessThan(32 * 1024 * 1024);
  });

  it('goes to no private address that the list does not name', async () => {
    const sink = await sinkThat((_request, response) => response.end());
    const said = await askHeartbeat(sink.url + PATH, { ...ROUTE, allow: ALLOW_NOTHING }, SIGNAL);
    expect(said).toContain('the address must be an https:// address');
    const named = { ...ROUTE, allow: { hosts: ['watch.example'], ranges: [] } };
    const resolve: HeartbeatRoute['resolve'] = (_name, _options, done) => {
      done(null, [{ address: '127.0.0.1', family: 4 }]);
    };
    expect(await askHeartbeat('https://other.example/x', { ...named, resolve }, SIGNAL)).toContain(
      'other.example leads to 127.0.0.1, which is a private address',
    );
    expect(sink.heard).toEqual([]);
  });
});

interface Line {
  readonly msg: string;
}

function logInto(lines: Line[]): Logger {
  return pino({}, { write: (text: string) => lines.push(JSON.parse(text) as Line) });
}

describe('the heart', () => {
  it('asks at most once a minute and never while it still waits, and logs an outage once and its end once', async () => {
    const lines: Line[] = [];
    const answers: ((problem: string | null) => void)[] = [];
    let nowMs = 0;
    const heart = new Heartbeat({
      host: 'watch.example',
      ask: () => new Promise((resolve) => answers.push(resolve)),
      log: logInto(lines),
      nowMs: () => nowMs,
    });
    const answer = async (problem: string | null): Promise<void> => {
      answers.at(-1)?.(problem);
      await new Promise(setImmediate);
    };
    heart.beat();
    nowMs = 90_000;
    heart.beat();
    expect(answers).toHaveLength(1);
    await answer('watch.example answered HTTP 500');
    heart.beat();
    expect(answers).toHaveLength(2);
    await answer('no answer came within 10 s');
    nowMs += 59_999;
    heart.beat();
    expect(answers).toHaveLength(2);
    nowMs += 1;
    heart.beat();
    await answer(null);
    nowMs += 60_000;
    heart.beat();
    await answer(null);
    expect(lines.map(({ msg }) => msg)).toEqual([
      'the heartbeat is not heard: watch.example answered HTTP 500. Check METERLINE_HEARTBEAT_URL.',
      'watch.example hears the heartbeat again, after 60 s',
    ]);
    heart.stop();
    nowMs += 60_000;
    heart.beat();
    expect(answers).toHaveLength(4);
  });
});

describe('the keeper', () => {
  it(
    'lets the heart beat after a good round, and not if Temporal or Postgres is away',
    { timeout: 60_000 },
    async () => {
      const world = await createWorld({ timeSkipping: false });
      open.push(() => world.close());
      const nobody = await anyFreePort();
      const away = Connection.lazy({ address: `127.0.0.1:${nobody}` });
      open.push(() => away.close());
      const lost = openDatabase(`postgres://x@127.0.0.1:${nobody}/x?sslmode=disable`, { max: 1, name: 'away' });
      open.push(() => lost.close());
      const unnamed = new Client({ connection: world.client.connection, namespace: 'nowhere' });
      const good = { db: world.database.db, client: world.client };

      const roundsWith = (parts: typeof good): { beats: number; lines: Line[] } => {
        const seen = { beats: 0, lines: [] as Line[] };
        const log = logInto(seen.lines);
        const outage = (name: 'Postgres' | 'Temporal'): Outages => new Outages({ name, address: 'x', advice: '' }, log);
        const stop = startKeeper({
          ...parts,
          taskQueue: world.taskQueue,
          log,
          registerAttributes: () => Promise.resolve(),
          afterGoodRound: () => (seen.beats += 1),
          outages: { postgres: outage('Postgres'), temporal: outage('Temporal') },
        });
        open.push(() => {
          stop();
          return undefined;
        });
        return seen;
      };
      const bad = [
        roundsWith({ ...good, client: new Client({ connection: away }) }),
        roundsWith({ ...good, client: unnamed }),
        roundsWith({ ...good, db: lost.db }),
      ];
      for (const round of bad)
        await until('a bad round', () => round.lines.some(({ msg }) => msg.startsWith('waiting for')));
      const well = roundsWith(good);
      await until('a good round', () => well.beats > 0);
      expect(bad.map(({ beats }) => beats)).toEqual([0, 0, 0]);
    },
  );
});
