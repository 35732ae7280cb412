import type { Incident, IncidentChange, IncidentKind } from '../anomalies/incident.ts';
import type { NamedCondition } from '../anomalies/names.ts';
import type { Measure } from '../budgets/budget.ts';
import type { Status } from '../connection/statuses.ts';
import type { Day } from '../days.ts';
import type { FailureCode } from '../failures.ts';
import type { Report } from '../lines.ts';
import type { Decimal } from '../money.ts';
import type { ReportData } from '../reports/notice.ts';
import type { Severity } from './content.ts';

// What each kind of notice is about. Webhooks carry it as `data`, so names are those of the HTTP API. These are types and
// not interfaces, since only those count as JSON.

/** The connection that a notice is about. */
export type ConnectionOfNotice = { readonly id: string; readonly name: string };

/** A day whose lines do not add up to the total that Anthropic reports. Amounts are USD for cost, tokens for usage. */
export type FlaggedDay = {
  readonly report: Report;
  readonly day: Day;
  readonly sum_of_lines: Decimal;
  readonly reported_total: Decimal;
};

/** A day of cost that Anthropic corrected after it was over, in USD. */
export type RestatedDay = { readonly day: Day; readonly before: Decimal; readonly after: Decimal };

/** The cost of a cause on its last days against as many earlier ones, in US dollars; the last four add up to `change`. */
export type ChangeOfAnomaly = Readonly<Record<keyof IncidentChange, Decimal>> & { readonly compared_days: number };

/** The data of each kind of notice. */
export type NoticeDataOf = {
  connected: {
    readonly connection: ConnectionOfNotice;
    readonly organization: string;
    readonly from: Day;
    readonly to: Day;
    /** Days without usage count too. */
    readonly days: number;
    readonly total: Decimal;
    /** The largest first, in USD. A null model is cost that belongs to none. */
    readonly by_model: readonly { readonly model: string | null; readonly amount: Decimal }[];
  };
  connection_trouble: {
    readonly connection: ConnectionOfNotice;
    readonly status: Extract<Status, 'degraded' | 'awaiting_key'>;
    readonly error: { readonly code: FailureCode; readonly detail: string | null } | null;
    /** ISO 8601. */
    readonly since: string;
  };
  connection_recovered: { readonly connection: ConnectionOfNotice; readonly since: string };
  key_rotated: { readonly connection: ConnectionOfNotice; readonly hint: string };
  day_flagged: { readonly connection: ConnectionOfNotice; readonly days: readonly FlaggedDay[] };
  restated: { readonly connection: ConnectionOfNotice; readonly days: readonly RestatedDay[] };
  report: ReportData;
  anomaly: {
    readonly connection: ConnectionOfNotice;
    readonly anomaly: {
      readonly id: string;
      readonly kind: IncidentKind;
      readonly direction: Incident['direction'];
      /** Its days in the console's Explore, as a path. */
      readonly explore: string;
    };
    readonly severity: Severity;
    /** Empty: the spend moved as a whole. */
    readonly cause: readonly NamedCondition[];
    readonly within: readonly NamedCondition[];
    readonly counterpart: readonly NamedCondition[];
    readonly first_day: Day;
    readonly last_day: Day;
    /** Of the cause on its days, in US dollars. `excess` is `observed` - `expected`, exactly. */
    readonly observed: Decimal;
    readonly expected: Decimal;
    readonly excess: Decimal;
    readonly change: ChangeOfAnomaly;
  };
  budget_threshold: {
    readonly budget: { readonly id: string; readonly name: string };
    /** Either a percentage of the amount of the budget or US dollars. */
    readonly threshold: { readonly percent: Decimal | null; readonly usd: Decimal | null; readonly of: Measure };
    readonly period: { readonly from: Day; readonly to: Day };
    /** What may be spent, what the threshold comes to, and what reached it, in US dollars. */
    readonly amount: Decimal;
    readonly threshold_amount: Decimal;
    readonly value: Decimal;
    /** Over every day that is read, provisional ones too. */
    readonly spent: Decimal;
    /** Null for a threshold of what is spent. */
    readonly forecast: {
      readonly method: string;
      readonly mean: Decimal;
      readonly low: Decimal;
      readonly high: Decimal;
    } | null;
    readonly provisional_days: number;
    /** With these, more was spent than is read. */
    readonly missing_days: number;
    readonly uncovered_days: number;
  };
  test: { readonly channel: string; readonly asked_by: string };
};
