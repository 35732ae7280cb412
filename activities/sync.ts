import type { AnthropicReader } from '../anthropic/transport.ts';
import { storedDays } from '../db/ledger/read-attempts.ts';
import { flagDays, reconcileDays } from '../db/ledger/reconcile.ts';
import * as syncs from '../db/ledger/syncs.ts';
import type { SyncPlan } from '../domain/connection/sync-plan.ts';
import { toRanges, type Day, type DayRange } from '../domain/days.ts';
import type { Failure } from '../domain/failures.ts';
import { daysToRead, type Totals, type WindowTotals } from '../domain/reading.ts';
import { readDays, type DaysRead, type DaysToRead } from './days.ts';
import type { Dependencies } from './dependencies.ts';
import type { UnreadableDay } from './failures.ts';
import { LargeReadings } from './large-readings.ts';
import { readForSync, runIdOfThisActivity, type SyncReport, type SyncNumber } from './reading.ts';
import { readTotals } from './totals.ts';
import { readWorkspaces } from './workspaces.ts';

export type SyncResult = syncs.SyncResult;

/** A window of at most 31 days of one report. */
export interface WindowToRead extends SyncReport {
  readonly plan: SyncPlan;
  readonly window: DayRange;
  readonly today: Day;
}

/** What the totals of a window say. */
export interface Survey {
  readonly totals: Totals;
  readonly toRead: DayRange[];
  /** The days whose total cannot be read. */
  readonly unreadable: readonly UnreadableDay[];
}

/** Whether a sync ran before: somebody reset it, or started it again by hand. */
interface RanBefore {
  readonly ranBefore: boolean;
}

/** What became of a window. */
export interface WindowRead extends DaysRead {
  readonly totals: Totals;
  /** The days whose total cannot be read. Days whose lines cannot be read are a failure. */
  readonly unreadable: readonly UnreadableDay[];
}

/** What a sync may ask of the outside world. Each activity may run twice, or while an older attempt of it still runs. */
export interface SyncActivities {
  /** Reads the list of workspaces, since names change and workspaces are archived. */
  refreshWorkspaces(input: SyncNumber & { plan: SyncPlan }): Promise<void>;
  /** Reads the totals of a window of at most 31 days, then the lines of the days that need it, and reconciles it. */
  readWindow(input: WindowToRead): Promise<WindowRead>;
  /** Reads the totals of a window of at most 31 days, and tells which of its days to read. */
  surveyDays(input: WindowToRead): Promise<Survey>;
  /** Reads the lines of days and commits them page by page; a retry goes on at the first day not committed. */
  readDays(input: DaysToRead): Promise<DaysRead>;
  /** Reads the totals of a window of at most 31 days. */
  readTotals(input: SyncReport & { window: DayRange }): Promise<Totals>;
  /** Records which days add up to their totals, and returns the suspect days, which do not. */
  reconcileDays(input: SyncReport & WindowTotals): Promise<Day[]>;
  /** Flags suspect days whose totals were read twice and agreed. */
  flagDays(input: SyncReport & { days: readonly Day[]; totals: Totals }): Promise<void>;
  /** Records that a sync succeeded, and returns what it did; null when its connection has ended. */
  succeedSync(input: SyncNumber & { plan: SyncPlan; startedAtMs: number }): Promise<(SyncResult & RanBefore) | null>;
  /** Records that a sync failed. With `keyIsProven`, the key read all the rest, so the key that it replaced can go. */
  failSync(
    input: SyncNumber & {
      plan: SyncPlan;
      failure: Failure;
      keyId: string | null;
      nowMs: number;
      keyIsProven?: boolean;
    },
  ): Promise<RanBefore>;
}

/** Makes the activities of the `sync` workflow. */
export function createSyncActivities(deps: Dependencies): SyncActivities {
  const { db, restatementDays } = deps;
  const runOf = ({ connectionId, n }: SyncNumber): syncs.SyncRun => ({
    connectionId,
    n,
    runId: runIdOfThisActivity(),
  });
  const reading = { ...deps, large: new LargeReadings() };
  const survey = async (reader: AnthropicReader, to: WindowToRead): Promise<Survey> => {
    const { connectionId, report, window, plan, today } = to;
    const { everyDay } = plan;
    const { totals, unreadable } = await readTotals(deps.pages, reader, report, window);
    const stored = await storedDays(db, connectionId, report, window);
    const toRead = toRanges(daysToRead({ window, everyDay, today, restatementDays, stored, totals }));
    return { totals, toRead, unreadable };
  };
  return {
    async refreshWorkspaces(input) {
      await readForSync(deps, input, (reader) => readWorkspaces(db, reader, input.connectionId));
    },

    readWindow: (input) =>
      readForSync(deps, input, async (reader, progress) => {
        const { totals, unreadable, toRead } = await survey(reader, input);
        const { connectionId, n, report, window, today } = input;
        const days = { connectionId, n, report, ranges: toRead, expected: { window, totals }, today };
        return { totals, unreadable, ...(await readDays(reading, reader, days, progress)) };
      }),

    surveyDays: (input) => readForSync(deps, input, (reader) => survey(reader, input)),

    readDays: (input) => readForSync(deps, input, (reader, progress) => readDays(reading, reader, input, progress)),

    async readTotals({ report, window, ...sync }) {
      const { totals } = await readForSync(deps, sync, (reader) => readTotals(deps.pages, reader, report, window));
      return totals;
    },

    reconcileDays: ({ connectionId, report, window, totals }) =>
      reconcileDays(db, { connectionId, report, window, totals, restatementDays }),

    flagDays: ({ connectionId, report, days, totals }) => flagDays(db, { connectionId, report, days, totals }),

    succeedSync: ({ plan, startedAtMs, ...sync }) => syncs.succeedSync(db, runOf(sync), plan, startedAtMs),

    failSync: async ({ plan, failure, keyId, nowMs, keyIsProven = false, ...sync }) => ({
      ranBefore: await syncs.failSync(db, runOf(sync), plan, { failure, keyId, nowMs, keyIsProven }),
    }),
  };
}
