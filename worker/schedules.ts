import type { Client, ScheduleSummary } from '@temporalio/client';
import { ScheduleAlreadyRunning, ScheduleNotFoundError } from '@temporalio/client';
import { databaseFailure } from '../db/core/database.ts';
import { listScheduledReports, type ScheduledReport } from '../db/reports/reports.ts';
import {
  isSpecOf,
  reportOfSchedule,
  reportSchedule,
  reportScheduleId,
  type ScheduleMemo,
} from '../workflows/report-schedule.ts';
import type { Workflows } from './keeper.ts';

/** gRPC's code of a server that has no Schedules. */
const UNIMPLEMENTED = 12;

/**
 * Makes the Schedules of reports again where Temporal lost them, changes those that say something else than Postgres, and
 * deletes those of reports that are gone. It lists Schedules once, however many there are. Whether one is paused is up to
 * the people who use the Temporal UI, and stays. Schedules of other deployments in the namespace stay too.
 */
export async function keepSchedules({ db, client, taskQueue }: Workflows): Promise<void> {
  const listed = await listOwn(client, taskQueue);
  if (listed === null) return;
  // After the list: a Schedule is made after its row, so one without a row has lost it.
  const reports = await listScheduledReports(db);
  for (const report of reports) {
    const schedule = listed.get(report.id);
    listed.delete(report.id);
    if (schedule === undefined) await make(client, taskQueue, report);
    else if (!isSpecOf(schedule.spec, report)) await update(client, taskQueue, report);
  }
  for (const id of listed.keys()) await remove(client, id);
}

/** This deployment's Schedules by the ids of their reports; null if the server has no Schedules. */
async function listOwn(client: Client, taskQueue: string): Promise<Map<string, ScheduleSummary> | null> {
  const own = new Map<string, ScheduleSummary>();
  try {
    for await (const schedule of client.schedule.list()) {
      const id = reportOfSchedule(schedule.scheduleId);
      if (id !== null && schedule.memo?.['meterlineTaskQueue'] === taskQueue) own.set(id, schedule);
    }
    return own;
  } catch (error) {
    if (databaseFailure(error) === null && codeOf(error) === UNIMPLEMENTED) return null;
    throw error;
  }
}

function codeOf(error: unknown): unknown {
  if (!(error instanceof Error)) return undefined;
  return 'code' in error ? error.code : codeOf(error.cause);
}

async function make(client: Client, taskQueue: string, report: ScheduledReport): Promise<void> {
  const memo: ScheduleMemo = { meterlineTaskQueue: taskQueue };
  const scheduleId = reportScheduleId(report.id);
  try {
    await client.schedule.create({ scheduleId, memo: { ...memo }, ...reportSchedule(taskQueue, report) });
  } catch (error) {
    // The API made it meanwhile, or the list lags behind. The next round compares it.
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
  }
}

async function update(client: Client, taskQueue: string, report: ScheduledReport): Promise<void> {
  const handle = client.schedule.getHandle(reportScheduleId(report.id));
  await handle.update(({ state }) => ({ ...reportSchedule(taskQueue, report), state }));
}

async function remove(client: Client, reportId: string): Promise<void> {
  try {
    await client.schedule.getHandle(reportScheduleId(reportId)).delete();
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error;
  }
}
