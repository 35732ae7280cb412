import { withoutDeceit } from '../characters.ts';
import { addDecimals, isNegative, subtractDecimals, type Decimal } from '../money.ts';
import { FAILURES, type FailureCode } from '../failures.ts';
import * as report from '../reports/notice.ts';
import * as anomaly from './anomaly.ts';
import type { NoticeContent, NoticeTable, Severity } from './content.ts';
import type { ConnectionOfNotice, NoticeDataOf, RestatedDay } from './data.ts';
import { cents, count, dollars, signedDollars, spell } from './spell.ts';

/** What a kind of notice is, and what it says about its data. */
interface KindEntry<Data> {
  /** The severity, or those that it may have. */
  readonly severity: Severity | ((data: Data) => Severity);
  /** When a notice of this kind closes, as the end of a sentence. Null: it tells of an instant, and is closed at once. */
  readonly closes: string | null;
  readonly subject: (data: Data) => string;
  readonly sentence: (data: Data) => string;
  readonly action: string | null | ((data: Data) => string | null);
  readonly facts?: (data: Data) => NoticeContent['facts'];
  readonly tables?: (data: Data) => readonly NoticeTable[];
  readonly link: (data: Data) => NonNullable<NoticeContent['link']>;
}

/** The catalogue: every kind of notice, with what it says, what to do, and when it closes. */
const TABLE: { readonly [Kind in keyof NoticeDataOf]: KindEntry<NoticeDataOf[Kind]> } = {
  connected: {
    severity: 'info',
    closes: null,
    subject: ({ connection }) => `${connection.name} is connected`,
    sentence: ({ organization, from, to, days }) =>
      `Meterline has read the cost and usage of ${organization} from ${from} to ${to} (${count(days, 'day')}), and reads on every day.`,
    action: null,
    facts: ({ organization, from, to, days, total }) => [
      { label: 'Organization', value: organization },
      { label: 'Days read', value: `${days}, from ${from} to ${to}` },
      { label: 'Cost of these days', value: dollars(total) },
    ],
    tables: ({ by_model: models }) =>
      models.length === 0
        ? []
        : [
            {
              title: 'Largest cost by model',
              columns: [
                { name: 'Model', isNumber: false },
                { name: 'USD', isNumber: true },
              ],
              rows: models.map(({ model, amount }) => [model ?? 'no model', cents(amount)]),
            },
          ],
    link: toConnection,
  },
  connection_trouble: {
    severity: ({ status }) => (status === 'awaiting_key' ? 'critical' : 'warning'),
    closes: 'when a sync of the connection succeeds, or the connection ends',
    subject: ({ connection, status }) =>
      status === 'awaiting_key' ? `${connection.name} needs another Admin key` : `${connection.name} cannot be read`,
    sentence: ({ connection, status, since, error }) =>
      `${status === 'awaiting_key' ? `Anthropic rejects the key of ${connection.name}` : `${connection.name} could not be read since ${spell(since)}`}. ${whatHappened(error?.code)} The days that are stored stay as they are, and no day is lost: they are read once it works again.`,
    action: ({ error }) =>
      error === null ? 'Look at the connection. Meterline tries again on its own.' : FAILURES[error.code].action,
    facts: ({ connection, since, error }) => [
      { label: 'Connection', value: connection.name },
      { label: 'Since', value: spell(since) },
      ...(error === null ? [] : [{ label: 'Failure', value: error.code }]),
      ...(error?.detail == null ? [] : [{ label: 'Detail', value: error.detail }]),
    ],
    link: toConnection,
  },
  connection_recovered: {
    severity: 'info',
    closes: null,
    subject: ({ connection }) => `${connection.name} is read again`,
    sentence: ({ connection, since }) =>
      `A sync of ${connection.name} succeeded. The trouble that began at ${spell(since)} is over.`,
    action: null,
    link: toConnection,
  },
  key_rotated: {
    severity: 'info',
    closes: null,
    subject: ({ connection, hint }) => `${connection.name} uses the key …${hint} from now on`,
    sentence: ({ connection, hint }) =>
      `Anthropic accepted the key …${hint} for ${connection.name}. The key before is destroyed here once a sync has succeeded with the new one.`,
    action: 'If nobody of yours rotated this key, revoke it in the Claude Console under Settings, Admin keys.',
    link: toConnection,
  },
  day_flagged: {
    severity: 'warning',
    closes: 'when the lines of all its days add up to their totals, or the connection ends',
    subject: ({ connection, days }) =>
      `${count(days.length, 'day')} of ${connection.name} do${days.length === 1 ? 'es' : ''} not add up`,
    sentence: ({ connection }) =>
      `The lines that Anthropic reports for ${connection.name} do not add up to the totals that it reports for the same days, though both were read twice. Meterline keeps the lines, calls these days provisional, and reads them again with every sync.`,
    action: 'Do not close a month over these days. If this lasts for a week, ask Anthropic support about them.',
    tables: ({ days }) => [
      {
        title: 'Days that do not add up',
        columns: [
          { name: 'Day', isNumber: false },
          { name: 'Report', isNumber: false },
          { name: 'Sum of lines', isNumber: true },
          { name: 'Reported total', isNumber: true },
        ],
        rows: days.map(({ day, report, sum_of_lines: sum, reported_total: total }) => [day, report, sum, total]),
      },
    ],
    link: toConnection,
  },
  restated: {
    severity: 'info',
    closes: null,
    subject: ({ connection, days }) =>
      `Anthropic corrected ${count(days.length, 'day')} of ${connection.name} by ${signedDollars(addDecimals(days.map(changeOf)))}${days.length === 1 ? '' : ' in all'}`,
    sentence: ({ connection, days }) =>
      `Anthropic changed the cost of ${count(days.length, 'day')} of ${connection.name} after ${days.length === 1 ? 'it was' : 'they were'} over. Meterline has the new numbers, and keeps the old totals as restatements.`,
    action: null,
    tables: ({ days }) => [
      {
        title: 'Corrected days',
        columns: [
          { name: 'Day', isNumber: false },
          ...['Before (USD)', 'After (USD)', 'Change (USD)'].map((name) => ({ name, isNumber: true })),
        ],
        rows: days.map((day) => [day.day, cents(day.before), cents(day.after), cents(changeOf(day))]),
      },
    ],
    link: toConnection,
  },
  report: {
    severity: 'info',
    closes: null,
    subject: report.subjectOf,
    sentence: report.sentenceOf,
    action: report.actionOf,
    facts: report.factsOf,
    tables: report.tablesOf,
    link: report.linkOf,
  },
  anomaly: {
    severity: ({ severity }) => severity,
    closes:
      'when the spend is back where it was expected, its level has become normal, feedback says that it is expected or wrong, or the connection ends',
    subject: anomaly.subjectOf,
    sentence: anomaly.sentenceOf,
    action:
      'Look at these days in Explore. Then say whether this was expected, is real, or is wrong: Meterline learns from it.',
    facts: anomaly.factsOf,
    link: ({ anomaly: { explore } }) => ({ label: 'Open these days in Explore', path: explore }),
  },
  budget_threshold: {
    severity: ({ threshold, value, amount }) =>
      threshold.of === 'actual' && !isNegative(subtractDecimals(value, amount)) ? 'critical' : 'warning',
    closes: 'when its period is over and every day of it is settled, or the budget is deleted',
    subject: ({ budget, threshold, threshold_amount: usd, value }) =>
      threshold.of === 'actual'
        ? `${budget.name} has reached ${spellThreshold(threshold, usd)}: ${dollars(value)} is spent`
        : `${budget.name} is expected to reach ${spellThreshold(threshold, usd)}: ${dollars(value)} in all`,
    sentence: ({ budget, period, amount, spent, forecast, ...days }) =>
      [
        `${days.missing_days + days.uncovered_days > 0 ? 'At least ' : ''}${dollars(spent)} of the ${dollars(amount)} of the budget ${budget.name} from ${period.from} to ${period.to} is spent.`,
        ...(forecast === null
          ? []
          : [
              `By the end of the period it is expected to be ${dollars(forecast.mean)}, in eight of ten cases between ${dollars(forecast.low)} and ${dollars(forecast.high)}.`,
            ]),
        ...(days.missing_days > 0 ? [`${count(days.missing_days, 'day')} could not be read yet.`] : []),
        ...(days.uncovered_days > 0 ? [`No connection covers ${count(days.uncovered_days, 'day')} of it.`] : []),
        ...(days.provisional_days > 0 ? [`${count(days.provisional_days, 'day')} may still change.`] : []),
      ].join(' '),
    action: 'Look at what it was spent on. If the amount is too low, change the budget.',
    facts: ({ period, amount, threshold_amount: usd, value, threshold }) => [
      { label: 'Period', value: `${period.from} to ${period.to}` },
      { label: 'Budget', value: dollars(amount) },
      { label: 'Threshold', value: dollars(usd) },
      { label: threshold.of === 'actual' ? 'Spent' : 'Expected', value: dollars(value) },
    ],
    link: ({ budget }) => ({ label: 'Open the budget', path: `/#/budgets/${budget.id}` }),
  },
  test: {
    severity: 'info',
    closes: null,
    subject: ({ channel }) => `Test of the channel ${channel}`,
    sentence: ({ channel, asked_by: by }) =>
      `This is the test of the channel ${channel} that ${by} asked for. Notices will arrive like this one.`,
    action: null,
    link: () => ({ label: 'Open the channels', path: '/#/alerts/channels' }),
  },
};

/** The name of a kind of notice. */
export type NoticeKind = keyof NoticeDataOf;

/** Every kind of notice, in the order of the catalogue. */
export const NOTICE_KINDS = Object.keys(TABLE).filter(isNoticeKind);

/** The states of a notice: it is open until it closes, or until it proves wrong and is withdrawn. */
export const NOTICE_STATES = ['open', 'closed', 'withdrawn'] as const;
/** One of {@link NOTICE_STATES}. */
export type NoticeState = (typeof NOTICE_STATES)[number];

/** Whether a text names a kind of notice. */
export function isNoticeKind(text: string): text is NoticeKind {
  return Object.hasOwn(TABLE, text);
}

/** When a notice of a kind closes, in words; null if it tells of an instant, and is closed at once. */
export function closesWhen(kind: NoticeKind): string | null {
  return TABLE[kind].closes;
}

/** A kind of notice with its data. */
export type NoticeSubject = {
  [Kind in NoticeKind]: { readonly kind: Kind; readonly data: NoticeDataOf[Kind] };
}[NoticeKind];

/** What a notice says. */
export function contentOf<Kind extends NoticeKind>(kind: Kind, data: NoticeDataOf[Kind]): NoticeContent {
  const entry: KindEntry<NoticeDataOf[Kind]> = TABLE[kind];
  const { severity, action } = entry;
  return {
    kind,
    severity: typeof severity === 'string' ? severity : severity(data),
    subject: oneLine(entry.subject(data)),
    sentence: oneLine(entry.sentence(data)),
    action: typeof action === 'function' ? action(data) : action,
    facts: entry.facts?.(data) ?? [],
    tables: entry.tables?.(data) ?? [],
    link: entry.link(data),
  };
}

function spellThreshold({ percent }: NoticeDataOf['budget_threshold']['threshold'], usd: Decimal): string {
  return percent === null ? dollars(usd) : `${percent} % (${dollars(usd)})`;
}

function changeOf({ before, after }: RestatedDay): Decimal {
  return subtractDecimals(after, before);
}

function toConnection({ connection }: { readonly connection: ConnectionOfNotice }): NonNullable<NoticeContent['link']> {
  return { label: 'Open the connection', path: `/#/connections/${connection.id}` };
}

function whatHappened(code: FailureCode | undefined): string {
  return code === undefined ? 'The reason is not known.' : FAILURES[code].message;
}

function oneLine(text: string): string {
  return withoutDeceit(text)
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .trim();
}
