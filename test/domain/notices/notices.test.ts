import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DAY_MS, HOUR_MS } from '../../../domain/days.ts';
import { toDecimal } from '../../../domain/money.ts';
import type { NoticeDataOf } from '../../../domain/notices/data.ts';
import { isWorthTelling } from '../../../domain/notices/decisions.ts';
import {
  DELIVERY_STATES,
  DELIVERY_TRANSITIONS,
  isUnderWay,
  mayDeliveryBecome,
  mayResend,
  waitBeforeNextTry,
} from '../../../domain/notices/deliveries.ts';
import { NOTICE_KINDS, closesWhen, contentOf, type NoticeKind } from '../../../domain/notices/kinds.ts';
import { EVERYTHING, takes } from '../../../domain/notices/subscriptions.ts';
import { ALLOW_NOTHING, parseAllowList } from '../../../domain/notices/allow-list.ts';
import {
  ADDRESS_PATTERN,
  hostOf,
  isMailAddress,
  isWebhookSecret,
  problemWithUrl,
} from '../../../domain/notices/targets.ts';

const connection = { id: '0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b', name: 'Acme' };
const SAMPLES: NoticeDataOf = {
  connected: {
    connection,
    organization: 'Acme Inc.\nSubject: pay me',
    from: '2026-10-01',
    to: '2026-10-31',
    days: 31,
    total: toDecimal('1234.5678'),
    by_model: [{ model: null, amount: toDecimal('0.005') }],
  },
  connection_trouble: {
    connection: { ...connection, name: 'Ac\r\nBcc: all@example.com' },
    status: 'awaiting_key',
    error: { code: 'key_invalid', detail: null },
    since: '2026-10-31T06:12:00.000Z',
  },
  connection_recovered: { connection, since: '2026-10-31T06:12:00.000Z' },
  key_rotated: { connection, hint: 'wxyz' },
  day_flagged: {
    connection,
    days: [{ report: 'cost', day: '2026-10-01', sum_of_lines: toDecimal('1'), reported_total: toDecimal('2') }],
  },
  restated: { connection, days: [{ day: '2026-10-01', before: toDecimal('2'), after: toDecimal('0.995') }] },
  report: {
    report: { id: connection.id, name: 'Costs\r\nBcc: all@example.com' },
    every: 'daily',
    time_zone: 'UTC',
    query: { group_by: ['model'] },
    group_by: ['model'],
    from: '2026-10-31',
    to: '2026-10-31',
    total: toDecimal('1.005'),
    days: { missing: [], unfinished: [], uncovered: [], provisional: ['2026-10-31'], flagged: [] },
    before: {
      from: '2026-10-30',
      to: '2026-10-30',
      total: null,
      days: { missing: ['2026-10-30'], unfinished: [], uncovered: [], provisional: [], flagged: [] },
    },
    change: null,
    change_percent: null,
    why: null,
    groups: [{ names: ['no model'], amount: toDecimal('1.005'), before: null, change: null }],
    other: { count: 2, amount: toDecimal('0'), before: null },
    movers: [],
    other_currencies: [],
  },
  budget_threshold: {
    budget: { id: connection.id, name: 'Platform' },
    threshold: { percent: toDecimal('80'), usd: null, of: 'forecast' },
    period: { from: '2026-11-01', to: '2026-11-30' },
    amount: toDecimal('1000'),
    threshold_amount: toDecimal('800'),
    value: toDecimal('912.34'),
    spent: toDecimal('400.005'),
    forecast: { method: 'mean', mean: toDecimal('912.34'), low: toDecimal('850'), high: toDecimal('990') },
    provisional_days: 2,
    missing_days: 1,
    uncovered_days: 0,
  },
  anomaly: {
    connection: { ...connection, name: 'Ac\r\nBcc: all@example.com' },
    anomaly: { id: connection.id, kind: 'spike', direction: 'up', explore: '/#/explore?from=2026-10-01' },
    severity: 'critical',
    cause: [
      { dimension: 'workspace', value: 'w', name: '<!channel> <b>\u2028Prod' },
      { dimension: 'workspace', value: null, name: 'Default workspace' },
      { dimension: 'model', value: 'opus', name: 'opus' },
    ],
    within: [],
    counterpart: [],
    first_day: '2026-10-01',
    last_day: '2026-10-02',
    observed: toDecimal('150.005'),
    expected: toDecimal('50'),
    excess: toDecimal('100.005'),
    change: {
      compared_days: 2,
      before: toDecimal('50'),
      after: toDecimal('150.005'),
      change: toDecimal('100.005'),
      volume: toDecimal('90'),
      mix: toDecimal('-5'),
      price: toDecimal('15.005'),
      unmatched: toDecimal('0'),
    },
  },
  test: { channel: 'On call', asked_by: 'bootstrap' },
};

describe('the catalogue', () => {
  it.each(NOTICE_KINDS)('%s says what happened in whole sentences and one line, and where to look', (kind) => {
    const content = contentOf(kind, SAMPLES[kind]);
    expect(content.subject).toMatch(/^[^\p{Cc}]{5,200}$/u);
    expect(content.sentence).toMatch(/^[A-Z].*\.$/s);
    expect(content.action ?? 'Nothing.').toMatch(/^[A-Z].*\.$/s);
    expect(content.link?.path).toMatch(/^\//);
    for (const { columns, rows } of content.tables) for (const row of rows) expect(row).toHaveLength(columns.length);
  });

  it('only trouble, flagged days, budgets and anomalies stay open', () => {
    const open = NOTICE_KINDS.filter((kind: NoticeKind) => closesWhen(kind) !== null);
    expect(open).toEqual(['connection_trouble', 'day_flagged', 'anomaly', 'budget_threshold']);
  });

  it('a key that is awaited is critical, and trouble that Meterline retries is a warning', () => {
    const { connection_trouble: data } = SAMPLES;
    expect(contentOf('connection_trouble', data).severity).toBe('critical');
    expect(contentOf('connection_trouble', { ...data, status: 'degraded' }).severity).toBe('warning');
  });

  it('a budget that is spent is critical, and says so if that is a lower bound', () => {
    const { budget_threshold: expected } = SAMPLES;
    const spent = { ...expected, threshold: { ...expected.threshold, of: 'actual' as const }, forecast: null };
    expect(contentOf('budget_threshold', expected).severity).toBe('warning');
    expect(contentOf('budget_threshold', spent).severity).toBe('warning');
    expect(contentOf('budget_threshold', { ...spent, value: toDecimal('1000') }).severity).toBe('critical');
    expect(contentOf('budget_threshold', spent).sentence).toMatch(/^At least \$400\.01 of the \$1,000\.00 /);
    expect(contentOf('budget_threshold', { ...spent, missing_days: 0 }).sentence).toMatch(/^\$400\.01 of /);
  });

  it('an anomaly says what cost how much more than expected, and by what, each part with its sign', () => {
    const { anomaly } = SAMPLES;
    const { subject, sentence, severity, link } = contentOf('anomaly', anomaly);
    expect(severity).toBe('critical');
    expect(subject).toBe(
      'Ac Bcc: all@example.com: workspace <!channel> <b> Prod or Default workspace and model opus cost $100.01 more than expected',
    );
    expect(sentence).toMatch(
      /\$150\.01 \(2026-10-01 to 2026-10-02\), \$100\.01 more than the expected \$50\.00\. Against 2 earlier days it changed by \$100\.01: \$90\.00 by the number of tokens, \$15\.01 by what a token cost, −\$5\.00 by a different mix of models and token types\.$/,
    );
    expect(link?.path).toBe('/#/explore?from=2026-10-01');
    const drop = {
      ...anomaly,
      excess: toDecimal('-40'),
      anomaly: { ...anomaly.anomaly, kind: 'drop', direction: 'down' },
    } as const;
    expect(contentOf('anomaly', drop).subject).toMatch(/cost \$40\.00 less than expected$/);
    expect(contentOf('anomaly', { ...anomaly, cause: [] }).subject).toMatch(/: the whole spend cost /);
  });

  it('the test of a channel leads to the channels', () => {
    expect(contentOf('test', SAMPLES.test).link).toEqual({ label: 'Open the channels', path: '/#/alerts/channels' });
  });

  it('shows money in cents, rounded half away from zero, and the exact amount in its data', () => {
    expect(contentOf('connected', SAMPLES.connected).facts).toContainEqual({
      label: 'Cost of these days',
      value: '$1,234.57',
    });
    expect(contentOf('connected', SAMPLES.connected).tables[0]?.rows).toEqual([['no model', '0.01']]);
    expect(contentOf('restated', SAMPLES.restated).tables[0]?.rows).toEqual([['2026-10-01', '2.00', '1.00', '-1.01']]);
    expect(contentOf('restated', SAMPLES.restated).subject).toMatch(/^Anthropic corrected 1 day of .+ by −\$1\.01$/);
    const [day] = SAMPLES.restated.days;
    const twice = { ...SAMPLES.restated, days: [day, day].filter((one) => one !== undefined) };
    expect(contentOf('restated', twice).subject).toMatch(/^Anthropic corrected 2 days of .+ by −\$2\.01 in all$/);
  });
});

describe('a delivery', () => {
  it('that was sent stays sent, and every other end can be sent again by a person', () => {
    expect(DELIVERY_TRANSITIONS.sent).toEqual([]);
    expect(DELIVERY_STATES.filter(mayResend)).toEqual(['unknown', 'failed', 'held']);
    for (const state of DELIVERY_STATES) expect(mayResend(state) && isUnderWay(state)).toBe(false);
  });

  it('is never sent before `sending` is stored', () => {
    const before = DELIVERY_STATES.filter((state) => mayDeliveryBecome(state, 'sent'));
    expect(before).toEqual(['sending', 'unknown']);
  });

  it('is tried after 5 seconds, doubling to an hour, for a day', () => {
    let nowMs = 0;
    const waits: number[] = [];
    for (let failures = 1; ; failures += 1) {
      const waitMs = waitBeforeNextTry(failures, { queuedAtMs: 0, nowMs, retryAfterMs: null });
      if (waitMs === null) break;
      waits.push(waitMs / 1000);
      nowMs += waitMs;
    }
    expect(waits.slice(0, 11)).toEqual([5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600]);
    expect(waits.slice(11).every((wait) => wait === 3600)).toBe(true);
    expect(nowMs).toBeLessThanOrEqual(DAY_MS);
    expect(nowMs).toBeGreaterThan(DAY_MS - HOUR_MS);
  });

  it('waits as long as the other side asks, and gives up where that is too long', () => {
    const at = { queuedAtMs: 0, nowMs: 0 };
    expect(waitBeforeNextTry(1, { ...at, retryAfterMs: 60_000 })).toBe(60_000);
    expect(waitBeforeNextTry(5, { ...at, retryAfterMs: 0 })).toBe(80_000);
    expect(waitBeforeNextTry(1, { ...at, retryAfterMs: DAY_MS + 1 })).toBeNull();
  });
});

describe('a channel', () => {
  const notice = { kind: 'connection_trouble', severity: 'warning', connectionId: connection.id } as const;
  const email = (subscriptions: Partial<typeof EVERYTHING> = {}): Parameters<typeof takes>[0] => ({
    kind: 'email',
    subscriptions: { ...EVERYTHING, ...subscriptions },
  });

  it('takes everything without subscriptions, and what all of them let through with', () => {
    expect(takes(email(), notice)).toBe(true);
    expect(takes(email({ kinds: ['connected'] }), notice)).toBe(false);
    expect(takes(email({ kinds: ['connected', 'connection_trouble'] }), notice)).toBe(true);
    expect(takes(email({ leastSeverity: 'warning' }), notice)).toBe(true);
    expect(takes(email({ leastSeverity: 'critical' }), notice)).toBe(false);
    expect(takes(email({ connections: [connection.id] }), notice)).toBe(true);
    expect(takes(email({ connections: ['another'] }), notice)).toBe(false);
    expect(takes(email({ connections: [connection.id] }), { ...notice, connectionId: null })).toBe(false);
  });

  it('of PagerDuty learns of a recovery by the end of the incident', () => {
    const recovered = { ...notice, kind: 'connection_recovered' } as const;
    expect(takes({ kind: 'pagerduty', subscriptions: EVERYTHING }, recovered)).toBe(false);
    expect(takes(email(), recovered)).toBe(true);
  });
});

it.each([
  ['100', '100.99', false],
  ['100', '101', true],
  ['1000', '1009.99', false],
  ['1000', '990', true],
  ['0', '0.99', false],
  ['0', '1', true],
  ['-5', '-6', true],
])('a correction from %s to %s USD is worth telling: %s', (before, after, worth) => {
  expect(isWorthTelling({ before: toDecimal(before), after: toDecimal(after) })).toBe(worth);
});

it.each(['a@example.com', 'first.last+tag@mail.example.co.uk', "o'brien@localhost"])(
  '%s is a mail address',
  (address) => {
    expect(address).toMatch(new RegExp(ADDRESS_PATTERN));
    expect(isMailAddress(address)).toBe(true);
  },
);

it.each([
  'a@example.com\r\nBcc: b@example.com',
  'a@example.com ',
  'a@b@c',
  '@example.com',
  'a@',
  'a.@example.com',
  '<a@example.com>',
  'a@example.com,b@example.com',
  `${'a'.repeat(250)}@example.com`,
])('%j is no mail address', (address) => {
  expect(address).not.toMatch(new RegExp(ADDRESS_PATTERN));
  expect(isMailAddress(address)).toBe(false);
});

it('the door takes every mail address that a channel takes', () => {
  fc.assert(
    fc.property(fc.stringMatching(new RegExp(ADDRESS_PATTERN.replace(/\(\?=.*?\)/g, ''))), (address) => {
      fc.pre(new RegExp(ADDRESS_PATTERN).test(address));
      expect(isMailAddress(address)).toBe(true);
    }),
  );
});

it('a secret of a webhook has 24 to 64 bytes', () => {
  const taken = Array.from({ length: 80 }, (_, bytes) => bytes).filter((bytes) =>
    isWebhookSecret(`whsec_${Buffer.alloc(bytes).toString('base64')}`),
  );
  expect([taken[0], taken.at(-1), taken.length]).toEqual([24, 64, 41]);
});

describe('the address of a webhook', () => {
  it.each([
    'http://hooks.example.com/a',
    'ftp://hooks.example.com/a',
    'https://user:secret@hooks.example.com/',
    'https://hooks.example.com/#a',
    'https://127.0.0.1/',
    'https://2130706433/',
    'https://0x7f.1/',
    'https://localhost:8443/',
    'https://10.1.2.3/',
    'https://172.31.0.1/',
    'https://192.168.1.1/',
    'https://169.254.169.254/latest',
    'https://[::1]/',
    'https://[fd00::1]/',
    'https://[::ffff:10.0.0.1]/',
    'https:\\\\example.com',
    'https://exa mple.com/',
    'https://example.com/\r\nHost: a',
    'https://',
    'nonsense',
  ])('%j is refused with words', (url) => {
    expect(problemWithUrl(url, ALLOW_NOTHING)).toMatch(/^must /);
  });

  it('is taken where it is public, or where the deployment allows its host', () => {
    expect(problemWithUrl('https://hooks.example.com/services/a?b=c', ALLOW_NOTHING)).toBeNull();
    expect(problemWithUrl('https://93.184.216.34/', ALLOW_NOTHING)).toBeNull();
    expect(problemWithUrl('http://10.1.2.3:9000/hook', parseAllowList('10.1.2.3') ?? ALLOW_NOTHING)).toBeNull();
    expect(problemWithUrl('http://[fd00::1]/hook', parseAllowList('fd00::1') ?? ALLOW_NOTHING)).toBeNull();
  });

  it('shows its host and nothing else', () => {
    expect(hostOf('https://Hooks.Example.com:8443/services/secret')).toBe('hooks.example.com');
    expect(hostOf('https://[fd00::1]/secret')).toBe('fd00::1');
    expect(hostOf('nonsense')).toBeNull();
  });
});
