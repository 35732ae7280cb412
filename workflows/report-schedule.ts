import type { Every } from '../domain/reports/periods.ts';
import { REPORT_WORKFLOW, type ReportInput } from './messages.ts';

/** What the Schedule of a report depends on. */
export interface ScheduledReport {
  readonly id: string;
  readonly name: string;
  readonly every: Every;
  /** In the time zone. */
  readonly hour: number;
  readonly timeZone: string;
}

/** The id of a report's Schedule. Temporal adds the time to it for the id of each run. */
export function reportScheduleId(reportId: string): string {
  return `report-${reportId}`;
}

/** The id of the report that a Schedule belongs to; null for another Schedule. */
export function reportOfSchedule(scheduleId: string): string | null {
  return /^report-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.exec(scheduleId)?.[1] ?? null;
}

/** The memo of a Schedule, by which a deployment knows its own in a namespace that several share. */
export interface ScheduleMemo {
  readonly meterlineTaskQueue: string;
}

const SUMMARY_LENGTH = 150;

/** A Schedule, as Temporal's client takes it. */
export interface ReportSchedule {
  readonly spec: {
    readonly calendars: {
      readonly comment: string;
      readonly hour: number;
      readonly dayOfWeek?: 'MONDAY';
      readonly dayOfMonth?: number;
    }[];
    readonly timezone: string;
  };
  readonly action: {
    readonly type: 'startWorkflow';
    readonly workflowType: string;
    readonly workflowId: string;
    readonly taskQueue: string;
    readonly args: [ReportInput];
    readonly staticSummary: string;
  };
  readonly policies: {
    readonly overlap: 'SKIP';
    readonly catchupWindow: '24 hours';
    readonly pauseOnFailure: boolean;
  };
}

/** Everything about the Schedule of a report but whether it is paused, which people decide in the Temporal UI. */
export function reportSchedule(taskQueue: string, report: ScheduledReport): ReportSchedule {
  const { id, name, every, hour, timeZone } = report;
  const summary = `${name}, ${every} at ${String(hour).padStart(2, '0')}:00 ${timeZone}`;
  return {
    spec: { calendars: [{ comment: commentOf(report), hour, ...DAYS[every] }], timezone: timeZone },
    action: {
      type: 'startWorkflow',
      workflowType: REPORT_WORKFLOW,
      workflowId: reportScheduleId(id),
      taskQueue,
      args: [{ reportId: id }],
      staticSummary: summary.slice(0, SUMMARY_LENGTH),
    },
    // A run that still waits for its sync is not started over, and one that an outage delayed is made up for within a day.
    policies: { overlap: 'SKIP', catchupWindow: '24 hours', pauseOnFailure: false },
  };
}

const DAYS: Readonly<Record<Every, Pick<ReportSchedule['spec']['calendars'][number], 'dayOfWeek' | 'dayOfMonth'>>> = {
  daily: {},
  weekly: { dayOfWeek: 'MONDAY' },
  monthly: { dayOfMonth: 1 },
};

/** Says when, in words that a list of Schedules has too, so that a look at it finds those that differ. */
function commentOf({ name, every, hour, timeZone }: ScheduledReport): string {
  return `${every} at ${hour}:00 ${timeZone}: ${name}`;
}

/** A Schedule as a list has it. */
interface ListedSpec {
  readonly calendars?:
    readonly { readonly comment?: string; readonly hour: readonly { readonly start: number }[] }[] | undefined;
  readonly timezone?: string | undefined;
}

/** Whether a listed Schedule says what a report says. */
export function isSpecOf(spec: ListedSpec | undefined, report: ScheduledReport): boolean {
  const [calendar, ...others] = spec?.calendars ?? [];
  if (spec === undefined || calendar === undefined || others.length > 0) return false;
  return (
    calendar.comment === commentOf(report) &&
    calendar.hour[0]?.start === report.hour &&
    spec.timezone === report.timeZone
  );
}
