import { assessAnomalies } from '../../../domain/anomalies/assess.ts';
import type {
  Feedback,
  Incident,
  Sensitivity,
  SettledDay,
  SpendGroup,
  StoredIncident,
  Verdict,
} from '../../../domain/anomalies/incident.ts';
import { addDays, toDay, type Day } from '../../../domain/days.ts';
import { addDecimals, toDecimal } from '../../../domain/money.ts';

/** The first day of every series: a Thursday. */
export const FIRST = toDay('2026-01-01');
/** Later than every series. */
export const TODAY = toDay('2027-12-31');

/** Noise around zero with deviation 1, the same for the same numbers. */
export function noise(seed: number, place: number): number {
  let sum = 0;
  for (let draw = 0; draw < 6; draw += 1) {
    const raw = Math.sin(seed * 127.1 + place * 311.7 + draw * 74.7) * 43_758.5453;
    sum += raw - Math.floor(raw) - 0.5;
  }
  return sum * Math.SQRT2;
}

/** What a workspace and a model cost on a day, as a factor of what is usual; null for as usual. */
export type Events = (about: { place: number; workspace: string; model: string; tokenType: string }) => number | null;

const WEEK = [1, 1.05, 0.45, 0.3, 0.95, 1, 1.1];
const WORKSPACES: Readonly<Record<string, number>> = { alpha: 200, beta: 120, gamma: 60, fresh: 70 };
const MODELS: Readonly<Record<string, number>> = { opus: 0.6, sonnet: 0.4 };
const TOKEN_TYPES: Readonly<Record<string, number>> = { output: 0.7, input: 0.3 };

/** The place of a day in a series. */
export function dayAt(place: number): Day {
  return addDays(FIRST, place);
}

/** A regular organization with a quiet weekend, where something happens. The workspace `fresh` costs nothing unless an event says so. */
export function organization(length: number, events: Events = () => null, rough = 0.06): SettledDay[] {
  return Array.from({ length }, (_, place) => {
    const groups = Object.entries(WORKSPACES).flatMap(([workspace, usual], w) =>
      Object.entries(MODELS).flatMap(([model, modelShare], m) =>
        Object.entries(TOKEN_TYPES).flatMap(([tokenType, typeShare], t): SpendGroup[] => {
          const factor = events({ place, workspace, model, tokenType }) ?? (workspace === 'fresh' ? 0 : 1);
          const level = usual;
          const amount =
            level *
            modelShare *
            typeShare *
            (WEEK[place % 7] ?? 1) *
            factor *
            Math.exp(rough * noise(w * 10 + m * 3 + t + 1, place));
          if (amount <= 0) return [];
          const usd = toDecimal(amount.toFixed(6));
          return [{ dimensions: { workspace, model, token_type: tokenType }, usd, tokens: Math.round(amount * 1000) }];
        }),
      ),
    );
    return settled(place, groups);
  });
}

/** A day with its total. */
export function settled(place: number, groups: readonly SpendGroup[]): SettledDay {
  return { day: dayAt(place), total: addDecimals(groups.map(({ usd }) => usd)), groups };
}

/** The verdicts of days. */
export function assess(
  days: readonly SettledDay[],
  incidents: readonly StoredIncident[] = [],
  sensitivity: Sensitivity = 'medium',
): Verdict[] {
  return assessAnomalies({ days, incidents, sensitivity, today: TODAY });
}

/** What is stored after verdicts. */
export function applied(incidents: readonly StoredIncident[], verdicts: readonly Verdict[]): StoredIncident[] {
  const byKey = new Map(incidents.map((one) => [one.incident.key, one]));
  for (const { incident } of verdicts) {
    byKey.set(incident.key, { incident, feedback: byKey.get(incident.key)?.feedback ?? null });
  }
  return [...byKey.values()];
}

/** Stored incidents with feedback on one of them. */
export function told(incidents: readonly StoredIncident[], key: string, feedback: Feedback): StoredIncident[] {
  return incidents.map((one) => (one.incident.key === key ? { ...one, feedback } : one));
}

/** What is stored once every day has been assessed as it came. */
export function lived(
  days: readonly SettledDay[],
  from: number,
  stored: readonly StoredIncident[] = [],
): StoredIncident[] {
  let incidents = [...stored];
  for (let length = from; length <= days.length; length += 1) {
    incidents = applied(incidents, assess(days.slice(0, length), incidents));
  }
  return incidents;
}

/** The incidents of verdicts. */
export function incidentsOf(verdicts: readonly Verdict[]): Incident[] {
  return verdicts.map(({ incident }) => incident);
}
