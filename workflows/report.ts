import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { proxyActivities, setCurrentDetails, sleep, workflowInfo } from '@temporalio/workflow';
import type { Activities } from '../activities/activities.ts';
import type { PlannedReport, ReportStep } from '../activities/reports.ts';
import type { Day } from '../domain/days.ts';
import { HOUR_MS } from '../domain/days.ts';
import { spellDays } from '../domain/reports/notice.ts';
import { endOfMs } from '../domain/reports/periods.ts';
import { POSTGRES, MAX_SUMMARY_LENGTH } from './activity-options.ts';
import { plain, spellInstant, spellRange } from './display.ts';
import type { ReportInput } from './messages.ts';

const postgres = proxyActivities<Activities>({ ...POSTGRES, startToCloseTimeout: '2 minutes' });

/** How long a report waits for the sync that reads its last day. */
const SYNC_WITHIN_MS = 6 * HOUR_MS;
const LOOK_EVERY_MS = 120_000;

/** Set by Temporal: when a Schedule was due, or triggered. A run that an outage delayed is due earlier than it starts. */
const DUE = defineSearchAttributeKey('TemporalScheduledStartTime', SearchAttributeType.DATETIME);

/** What a report that needs nobody ends with. */
export type ReportEnd = Exclude<ReportStep, { state: 'waits' }>;

/**
 * Tells one period of a report: it waits until the period is over in UTC, then for the sync that reads its last day, and
 * after six hours tells it with the days that are missing. Started by its Schedule, at its time or by hand, it does the same.
 */
export async function report({ reportId }: ReportInput): Promise<ReportEnd> {
  const info = workflowInfo();
  const dueMs = (info.typedSearchAttributes.get(DUE) ?? info.startTime).getTime();
  const plan = await postgres.planReport({ reportId, dueMs });
  if (plan === null) return showEnd(null, { state: 'gone' });
  const overMs = endOfMs(plan.period);
  if (Date.now() < overMs) await waitFor(plan, overMs, 'the period to be over in UTC');
  const lastLookMs = Math.max(dueMs, overMs) + SYNC_WITHIN_MS;
  for (;;) {
    const nowMs = Date.now();
    const { period } = plan;
    const step = await postgres.tellReport({ reportId, period, isLast: nowMs >= lastLookMs, nowMs });
    if (step.state !== 'waits') return showEnd(plan, step);
    await waitFor(plan, Math.min(nowMs + LOOK_EVERY_MS, lastLookMs), waitOf(step.awaited, lastLookMs));
  }
}

async function waitFor(plan: PlannedReport, untilMs: number, what: string): Promise<void> {
  show(plan, `waits for ${what}`, [['Next look', spellInstant(untilMs)]]);
  await sleep(Math.max(1, untilMs - Date.now()), { summary: `waits for ${what}`.slice(0, MAX_SUMMARY_LENGTH) });
}

function waitOf(awaited: readonly Day[], lastLookMs: number): string {
  return `a sync to read ${spellDays(awaited)}, until ${spellInstant(lastLookMs)} at the latest`;
}

function showEnd(plan: PlannedReport | null, end: ReportEnd): ReportEnd {
  if (plan === null || end.state === 'gone') {
    setCurrentDetails('### The report was deleted\n\nNothing is told.');
    return end;
  }
  const state = end.wasTold ? 'was told before' : 'is told';
  const reach = end.hasNoChannel
    ? 'nobody: every channel that it names was deleted or disabled. **What to do:** give the report other channels.'
    : String(end.deliveries);
  show(plan, state, [
    ['Notice', end.noticeId],
    ['Addresses', reach],
  ]);
  return end;
}

function show({ name, period }: PlannedReport, state: string, more: readonly (readonly [string, string])[]): void {
  const rows = [['Period', spellRange(period)] as const, ...more].map(([label, value]) => `| ${label} | ${value} |`);
  setCurrentDetails([`### ${plain(name)}: ${state}`, ['| | |', '|---|---|', ...rows].join('\n')].join('\n\n'));
}
