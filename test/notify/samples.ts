import type { NoticeDataOf } from '../../domain/notices/data.ts';
import type { NoticeKind } from '../../domain/notices/kinds.ts';
import type { ReportedGroup } from '../../domain/reports/notice.ts';
import { toDecimal } from '../../domain/money.ts';

const connection = { id: '0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b', name: 'Acme production' };
const since = '2026-11-30T05:12:00.000Z';

const CERTAIN = { missing: [], unfinished: [], uncovered: [], provisional: [], flagged: [] };

function groupOf(name: string, ...amounts: readonly [amount: string, before: string, change: string]): ReportedGroup {
  const [amount, before, change] = amounts;
  return { names: [name], amount: toDecimal(amount), before: toDecimal(before), change: toDecimal(change) };
}

/** Data of every kind of notice, as a deployment of some size has it. */
export const SAMPLES: { readonly [Kind in NoticeKind]: NoticeDataOf[Kind] } = {
  connected: {
    connection,
    organization: 'Acme Corporation',
    from: '2026-10-31',
    to: '2026-11-30',
    days: 31,
    total: toDecimal('12408.1734'),
    by_model: [
      { model: 'claude-opus-4-5-20251101', amount: toDecimal('8402.11') },
      { model: 'claude-sonnet-4-5-20250929', amount: toDecimal('3611.06') },
      { model: null, amount: toDecimal('395.0034') },
    ],
  },
  connection_trouble: {
    connection,
    status: 'awaiting_key',
    error: { code: 'key_invalid', detail: 'HTTP 401 authentication_error: invalid x-api-key' },
    since,
  },
  connection_recovered: { connection, since },
  key_rotated: { connection, hint: '9QzA' },
  day_flagged: {
    connection,
    days: [
      { report: 'cost', day: '2026-11-27', sum_of_lines: toDecimal('402.75'), reported_total: toDecimal('411.0233') },
      {
        report: 'usage',
        day: '2026-11-27',
        sum_of_lines: toDecimal('120455190'),
        reported_total: toDecimal('120455191'),
      },
    ],
  },
  restated: {
    connection,
    days: [
      { day: '2026-11-24', before: toDecimal('398.20'), after: toDecimal('477.84') },
      { day: '2026-11-25', before: toDecimal('412.11'), after: toDecimal('405.02') },
    ],
  },
  report: {
    report: { id: '5d1c9a40-2f0b-4e88-8f0d-6b7a8c9d0e1f', name: 'Weekly costs' },
    every: 'weekly',
    time_zone: 'Europe/Berlin',
    query: { group_by: ['model'] },
    group_by: ['model'],
    from: '2026-11-23',
    to: '2026-11-29',
    total: toDecimal('2911.4471'),
    days: { ...CERTAIN, provisional: ['2026-11-29'] },
    before: { from: '2026-11-16', to: '2026-11-22', total: toDecimal('2640.02'), days: CERTAIN },
    change: toDecimal('271.4271'),
    change_percent: toDecimal('10.28'),
    why: {
      volume: toDecimal('301.2'),
      mix: toDecimal('-18.4029'),
      price: toDecimal('0'),
      unmatched: toDecimal('-11.37'),
    },
    groups: [
      groupOf('claude-opus-4-5-20251101', '1980.1', '1702.55', '277.55'),
      groupOf('claude-sonnet-4-5-20250929', '931.3471', '937.47', '-6.1229'),
    ],
    other: null,
    movers: [groupOf('claude-opus-4-5-20251101', '1980.1', '1702.55', '277.55')],
    other_currencies: [],
  },
  anomaly: {
    connection,
    anomaly: {
      id: '7a2e4c1d-0b3f-4d5a-8c6e-9f1a2b3c4d5e',
      kind: 'spike',
      direction: 'up',
      explore: '/#/explore?report=costs&from=2026-11-27&to=2026-11-27',
    },
    severity: 'warning',
    cause: [
      { dimension: 'workspace', value: 'wrkspc_01', name: 'Research' },
      { dimension: 'model', value: 'claude-opus-4-5-20251101', name: 'claude-opus-4-5-20251101' },
    ],
    within: [],
    counterpart: [],
    first_day: '2026-11-27',
    last_day: '2026-11-27',
    observed: toDecimal('912.4'),
    expected: toDecimal('301.15'),
    excess: toDecimal('611.25'),
    change: {
      compared_days: 1,
      before: toDecimal('301.15'),
      after: toDecimal('912.4'),
      change: toDecimal('611.25'),
      volume: toDecimal('598.1'),
      mix: toDecimal('13.15'),
      price: toDecimal('0'),
      unmatched: toDecimal('0'),
    },
  },
  budget_threshold: {
    budget: { id: '3c5b7a91-4d2e-4f60-9b8a-1e2d3c4b5a69', name: 'Research' },
    threshold: { percent: toDecimal('80'), usd: null, of: 'forecast' },
    period: { from: '2026-11-01', to: '2026-11-30' },
    amount: toDecimal('12000'),
    threshold_amount: toDecimal('9600'),
    value: toDecimal('10912.34'),
    spent: toDecimal('9400.005'),
    forecast: {
      method: 'level_weekday',
      mean: toDecimal('10912.34'),
      low: toDecimal('10650'),
      high: toDecimal('11190'),
    },
    provisional_days: 2,
    missing_days: 0,
    uncovered_days: 0,
  },
  test: { channel: 'Costs team', asked_by: 'ada' },
};
