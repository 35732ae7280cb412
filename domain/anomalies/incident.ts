import type { Day } from '../days.ts';
import type { Decimal } from '../money.ts';
import type { Severity } from '../notices/content.ts';

/** How much it takes to open an incident. Whatever a lower sensitivity finds, a higher one finds too. */
export const SENSITIVITIES = ['low', 'medium', 'high'] as const;
/** One of {@link SENSITIVITIES}. */
export type Sensitivity = (typeof SENSITIVITIES)[number];

/** What somebody says about an incident: it was planned, it is a problem, or it is no anomaly at all. */
export const FEEDBACKS = ['expected', 'real', 'wrong'] as const;
/** One of {@link FEEDBACKS}. */
export type Feedback = (typeof FEEDBACKS)[number];

/**
 * `spike` and `drop` last a day or two; a `level_shift` stays; a `drift` grows day by day; in an `offsetting` move one part
 * rises, another falls, and the total stays; `new_spend` is the first spend of a value that was never seen before.
 */
export const INCIDENT_KINDS = ['spike', 'drop', 'level_shift', 'drift', 'offsetting', 'new_spend'] as const;
/** One of {@link INCIDENT_KINDS}. */
export type IncidentKind = (typeof INCIDENT_KINDS)[number];

/** An incident is open until its cause is over. It is withdrawn if corrected days no longer show it. */
export const INCIDENT_STATES = ['open', 'closed', 'withdrawn'] as const;
/** One of {@link INCIDENT_STATES}. */
export type IncidentState = (typeof INCIDENT_STATES)[number];

/**
 * Why an incident is not open anymore: the spend is `back` in its band; the level lasted and is the `new_normal`; feedback
 * says `expected` or `wrong`; its days were `restated`; or the chosen `sensitivity` no longer shows it.
 */
export const INCIDENT_ENDS = ['back', 'new_normal', 'expected', 'wrong', 'restated', 'sensitivity'] as const;
/** One of {@link INCIDENT_ENDS}. */
export type IncidentEnd = (typeof INCIDENT_ENDS)[number];

/** A part of the spend: the lines whose dimension has this value. Null is "not reported". */
export interface Condition {
  readonly dimension: string;
  readonly value: string | null;
}

/** What lines of a day have in common, with their sum. Groups with the same dimensions are added up. */
export interface SpendGroup {
  readonly dimensions: Readonly<Record<string, string | null>>;
  readonly usd: Decimal;
  /** Null where the spend is not billed by tokens. */
  readonly tokens: number | null;
}

/** A settled day: read after its end and reconciled. Days that are missing or provisional are not given at all. */
export interface SettledDay {
  readonly day: Day;
  readonly total: Decimal;
  /** They should add up to the total. Every group has the same dimensions. */
  readonly groups: readonly SpendGroup[];
}

/** A day of an incident: what its cause cost, and the band in which it was expected, in US dollars. */
export interface IncidentDay {
  readonly day: Day;
  readonly observed: Decimal;
  readonly expected: Decimal;
  readonly low: Decimal;
  readonly high: Decimal;
}

/**
 * The spend of the cause on the days of the incident, against as many comparable days before it (the same weekdays where
 * they exist). `volume`, `mix`, `price` and `unmatched` add up to `change` exactly, as in `/v1/costs/changes`.
 */
export interface IncidentChange {
  readonly before: Decimal;
  readonly after: Decimal;
  readonly change: Decimal;
  readonly volume: Decimal;
  readonly mix: Decimal;
  readonly price: Decimal;
  readonly unmatched: Decimal;
}

/** An incident as it is known now. */
export interface Incident {
  /** The direction, the cause and the first day at its opening. It never changes while the incident lives. */
  readonly key: string;
  readonly kind: IncidentKind;
  readonly direction: 'up' | 'down';
  readonly severity: Severity;
  readonly state: IncidentState;
  /** Null while it is open. */
  readonly end: IncidentEnd | null;
  /**
   * The fewest conditions that explain at least 80 % of the excess. Conditions on different dimensions hold together; those on
   * the same dimension are alternatives. Empty: the spend moved as a whole.
   */
  readonly cause: readonly Condition[];
  /** Further conditions that narrow the cause and still explain at least 80 %: where in the cause it happened. */
  readonly within: readonly Condition[];
  /** What moved the other way, for an offsetting move and for new spend that replaces other spend. */
  readonly counterpart: readonly Condition[];
  /** The share of the excess that the cause explains. 1 is all of it. It may be more, where other spend moved the other way. */
  readonly explained: number;
  readonly firstDay: Day;
  /** The last day that showed it. */
  readonly lastDay: Day;
  /** The day whose spend decided it. */
  readonly detectedOn: Day;
  /** 1 if the first day decided it. */
  readonly daysToDetection: number;
  /** The sums of the days: `excess` is `observed` - `expected`, exactly. In US dollars; below zero for a drop. */
  readonly observed: Decimal;
  readonly expected: Decimal;
  readonly excess: Decimal;
  /** For a drift, the excess is counted against the level before it. */
  readonly days: readonly IncidentDay[];
  readonly change: IncidentChange;
  /** How far it went beyond what `medium` asks for: 1 is just enough. */
  readonly strength: number;
  /** What happened, and why it ended, in whole sentences. */
  readonly sentence: string;
}

/** An incident as it is stored, with what somebody said about it. */
export interface StoredIncident {
  readonly incident: Incident;
  readonly feedback: Feedback | null;
}

/**
 * What to do: store a new incident (or one again that was over), store what is known of it now, store that it is over, or
 * store that it never was. `incident` is what to store, whole.
 */
export interface Verdict {
  readonly verdict: 'open' | 'extend' | 'close' | 'withdraw';
  readonly incident: Incident;
}

/** What anomalies are decided from. */
export interface AnomalyInput {
  /** In any order; each day at most once. All of them, or the last {@link HISTORY_DAYS} at least. */
  readonly days: readonly SettledDay[];
  /** All incidents that were ever stored for these days, whatever their state. */
  readonly incidents: readonly StoredIncident[];
  readonly sensitivity: Sensitivity;
  /** Days from today on are never judged. */
  readonly today: Day;
}

/** So many days decide about the last ones. Longer ago, stored incidents stay as they are. */
export const HISTORY_DAYS = 400;
