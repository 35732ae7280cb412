import type { NoticeContent } from '../../domain/notices/content.ts';
import type { Message } from '../../notify/delivery.ts';

const usd = { isNumber: true };
const name = { isNumber: false };

/** A report: facts, two tables, nothing to do. */
export const REPORT: NoticeContent = {
  kind: 'report',
  severity: 'info',
  subject: 'Acme spent $12,408.17 on Anthropic in November 2026',
  sentence:
    'That is $1,204.55 (10.8 %) more than in October 2026. Most of the rise is volume: the workspace Research used 31 % more output tokens.',
  action: null,
  facts: [
    { label: 'Total', value: '$12,408.17' },
    { label: 'October 2026', value: '$11,203.62' },
    { label: 'Provisional days', value: '2 (29 and 30 November)' },
    { label: 'Missing days', value: 'none' },
  ],
  tables: [
    {
      title: 'By workspace',
      columns: [
        { name: 'Workspace', ...name },
        { name: 'November', ...usd },
        { name: 'Change', ...usd },
      ],
      rows: [
        ['Research', '$6,120.40', '+$1,015.22'],
        ['Default workspace', '$3,904.00', '+$88.13'],
        ['Customer support (Zürich)', '$1,981.02', '−$12.00'],
        ['Évaluations & QA', '$402.75', '+$113.20'],
      ],
    },
    {
      title: 'By model',
      columns: [
        { name: 'Model', ...name },
        { name: 'Tokens', ...usd },
        { name: 'Cost', ...usd },
      ],
      rows: [
        ['claude-opus-4-5-20251101', '1,204,551,908', '$8,402.11'],
        ['claude-sonnet-4-5-20250929', '988,120,443', '$3,611.06'],
        ['claude-haiku-4-5', '301,998', '$395.00'],
      ],
    },
  ],
  link: { label: 'See this month in Explore', path: '/explore?report=costs' },
};

/** Trouble: something to do. */
export const TROUBLE: NoticeContent = {
  kind: 'connection_trouble',
  severity: 'critical',
  subject: 'Meterline cannot read Acme any more: Anthropic rejected its key',
  sentence:
    'Anthropic rejected the Admin key that ends in …9QzA at 06:12 UTC, and once more 30 seconds later. Nothing is lost: Meterline reads the missing days as soon as it has a key that works.',
  action:
    'Create a new Admin key in the Anthropic Console, and rotate to it in Meterline. If somebody only disabled the key, enable it again: Meterline notices that by itself.',
  facts: [
    { label: 'Connection', value: 'Acme, production' },
    { label: 'Last good sync', value: '29 November 2026, 06:11 UTC' },
    { label: 'Missing days', value: '1' },
  ],
  tables: [],
  link: { label: 'Rotate the key', path: '/connections/2f0c7d5e-8a1f-4f39-9b43-6f3d9b1b7a10' },
};

/** A warning with a table. */
export const WARNING: NoticeContent = {
  ...REPORT,
  kind: 'budget_threshold',
  severity: 'warning',
  subject: 'Research has spent 80 % of its budget for November',
  sentence: 'It spent $8,004.10 of $10,000.00 by 21 November, counting two provisional days.',
  action: 'Look at what moved, or raise the budget.',
  tables: REPORT.tables.slice(0, 1),
  link: { label: 'Open the budget', path: '/budgets/7' },
};

/** A message with a content, as the outbox would hand it over. */
export function messageOf(content: NoticeContent, changes: Partial<Message> = {}): Message {
  return {
    deliveryId: '5d3f0f0e-6b2c-4b1f-8a52-0d4b8c6b3a01',
    noticeId: '0b9f7f8a-33ce-4b77-9d0e-5f6b1c2d3e4f',
    dedupeKey: 'connection_trouble:2f0c7d5e',
    atMs: Date.UTC(2026, 10, 30, 6, 42),
    content,
    data: { subject: content.subject },
    isClosed: false,
    unsubscribeUrl: 'https://meterline.example/unsubscribe/abc.def',
    publicUrl: 'https://meterline.example',
    ...changes,
  };
}
