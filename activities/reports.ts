import { ApplicationFailure } from '@temporalio/common';
import { awaitedDays } from '../db/reports/numbers.ts';
import { channelsLeft, findReport, type ReportInfo } from '../db/reports/reports.ts';
import { findTold, tellReport } from '../db/reports/tell.ts';
import type { Day, DayRange } from '../domain/days.ts';
import { localDayOf, periodBefore } from '../domain/reports/periods.ts';
import { ParameterError } from '../domain/spend/parameters.ts';
import type { Dependencies } from './dependencies.ts';

/** A report and the period that a run of it tells of. */
export interface PlannedReport {
  readonly name: string;
  readonly period: DayRange;
}

/** What one look at a report came to. */
export type ReportStep =
  /** The report was deleted. */
  | { readonly state: 'gone' }
  /** These days of the period are still to be read. */
  | { readonly state: 'waits'; readonly awaited: readonly Day[] }
  | {
      readonly state: 'told';
      readonly noticeId: string;
      /** How many addresses it goes to. */
      readonly deliveries: number;
      /** True if an earlier run told this period. */
      readonly wasTold: boolean;
      /** True if the report names channels and none of them takes anything any more. */
      readonly hasNoChannel: boolean;
    };

/** What the `report` workflow asks of the outside world. */
export interface ReportActivities {
  /** The period that a run due at an instant (ms) tells of; null if the report was deleted. */
  planReport(input: { reportId: string; dueMs: number }): Promise<PlannedReport | null>;
  /** Tells a period if every day of it was read, or at once if this is the last look. A period is told once. */
  tellReport(input: { reportId: string; period: DayRange; isLast: boolean; nowMs: number }): Promise<ReportStep>;
}

/** Makes the activities of the `report` workflow. */
export function createReportActivities({ db }: Pick<Dependencies, 'db'>): ReportActivities {
  return {
    async planReport({ reportId, dueMs }) {
      const report = await findReport(db, reportId);
      if (report === null) return null;
      return { name: report.name, period: periodBefore(report.every, localDayOf(dueMs, report.timeZone)) };
    },

    async tellReport({ reportId, period, isLast, nowMs }) {
      const report = await findReport(db, reportId);
      if (report === null) return { state: 'gone' };
      return inWords(report, async () => {
        if (!isLast && (await findTold(db, report, period)) === null) {
          const awaited = await awaitedDays(db, report, period, nowMs);
          if (awaited.length > 0) return { state: 'waits', awaited };
        }
        const told = await tellReport(db, report, period, { nowMs });
        if (told === null) return { state: 'gone' };
        const { noticeId, deliveries, isNew } = told;
        const { channelIds } = report;
        const left = channelIds === null ? null : await channelsLeft(db, channelIds, { enabled: true });
        return { state: 'told', noticeId, deliveries, wasTold: !isNew, hasNoChannel: left?.length === 0 };
      });
    },
  };
}

/** A stored query that has no meaning any more stays so, until somebody changes the report. */
async function inWords<T>({ name }: ReportInfo, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ParameterError)) throw error;
    throw ApplicationFailure.create({
      message: `The query of the report "${name}" is not valid any more: ${error.message}. What to do: change its query (PATCH /v1/reports/{id}), then trigger its Schedule.`,
      type: 'report_query',
      nonRetryable: true,
    });
  }
}
