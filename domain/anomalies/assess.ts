import type { AnomalyInput, StoredIncident, Verdict } from './incident.ts';

/**
 * The verdicts that follow from settled days and from what is stored. A pure function of its input: once they are stored, the
 * same input gives none. At most one incident per cause is open. Fewer than 14 settled days give none.
 */
export declare function assessAnomalies(input: AnomalyInput): Verdict[];

/** What the feedback on an incident changes from now on, in a sentence; null without feedback. */
export declare function effectOf(stored: StoredIncident): string | null;
