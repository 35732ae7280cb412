import { pino } from 'pino';
import { expect, it } from 'vitest';
import { Outages, reasonOf } from '../../worker/outages.ts';

interface Line {
  readonly level: number;
  readonly msg: string;
}

function outages(): { told: Line[]; of: Outages; clock: { ms: number } } {
  const told: Line[] = [];
  const clock = { ms: 5_000 };
  const log = pino({}, { write: (line: string) => told.push(JSON.parse(line) as Line) });
  const server = { name: 'Temporal', address: 'temporal:7233', advice: 'Start it.' } as const;
  return { told, clock, of: new Outages(server, log, () => clock.ms) };
}

it('an outage is reported at once, with the address, the reason and the action to take', () => {
  const { told, of } = outages();
  of.failed('the connection is refused');
  expect(told).toMatchObject([
    { level: 40, msg: 'waiting for Temporal at temporal:7233: the connection is refused. Start it.' },
  ]);
});

it('an outage that lasts a day is reported less and less often, but at least every ten minutes', () => {
  const { told, of, clock } = outages();
  const at: number[] = [];
  for (let second = 0; second < 86_400; second += 5) {
    clock.ms = second * 1000;
    const before = told.length;
    of.failed('x');
    if (told.length > before) at.push(second);
  }
  expect(at.slice(0, 7)).toEqual([0, 30, 90, 210, 450, 930, 1530]);
  const pauses = at.slice(1).map((second, index) => second - (at[index] ?? 0));
  expect(Math.max(...pauses)).toBe(600);
});

it('the end of an outage is reported once, and the next outage at once', () => {
  const { told, of, clock } = outages();
  of.answered();
  of.failed('x');
  clock.ms += 42_000;
  of.answered();
  of.answered();
  of.failed('x');
  expect(told.map(({ level, msg }) => [level, msg])).toEqual([
    [40, expect.stringContaining('waiting for')],
    [30, 'Temporal at temporal:7233 answers, after 42 s'],
    [40, expect.stringContaining('waiting for')],
  ]);
});

it.each([
  ['ConnectError("tcp connect error", 127.0.0.1:1, Os { kind: ConnectionRefused })', 'the connection is refused'],
  ['ConnectError("dns error", failed to lookup address information)', 'its host name cannot be looked up'],
  ['code: cancelled, message: "Timeout expired"', 'it does not answer'],
  [
    'invalid peer certificate: UnknownIssuer',
    'its certificate is signed by nobody who is trusted here (TEMPORAL_TLS_SERVER_CA_CERT_PATH)',
  ],
  ['Error(Transport, NativeCertsNotFound)', 'this system has no certificate authorities to trust it by'],
  ['Namespace nope is not found.', 'it has no such namespace'],
  ['something\nelse', 'something else'],
])("a client's message is reported in plain words: %s", (said, reason) => {
  expect(reasonOf(new Error(said))).toBe(reason);
});
