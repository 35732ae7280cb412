import type { NoticeDataOf } from '../../domain/notices/data.ts';
import type { NoticeKind } from '../../domain/notices/kinds.ts';
import { toDecimal } from '../../domain/money.ts';

const connection = { id: '0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b', name: 'Acme production' };
const since = '2026-11-30T05:12:00.000Z';

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
  test: { channel: 'Costs team', asked_by: 'ada' },
};
