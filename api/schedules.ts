import { ScheduleAlreadyRunning, ScheduleNotFoundError, type Client } from '@temporalio/client';
import {
  reportOfSchedule,
  reportSchedule,
  reportScheduleId,
  type ScheduleMemo,
  type ScheduledReport,
} from '../workflows/report-schedule.ts';
import type { ShownSchedule } from './http/temporal.ts';

/** Makes the Schedule of a report, or lets it say what the report says. A paused one stays paused. */
export async function putSchedule(client: Client, taskQueue: string, report: ScheduledReport): Promise<void> {
  const memo: ScheduleMemo = { meterlineTaskQueue: taskQueue };
  const scheduleId = reportScheduleId(report.id);
  const wanted = reportSchedule(taskQueue, report);
  try {
    await client.schedule.create({ scheduleId, memo: { ...memo }, ...wanted });
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    await client.schedule.getHandle(scheduleId).update(({ state }) => ({ ...wanted, state }));
  }
}

/** Deletes the Schedule of a report, if there is one. */
export async function deleteSchedule(client: Client, reportId: string): Promise<void> {
  try {
    await client.schedule.getHandle(reportScheduleId(reportId)).delete();
  } catch (error) {
    if (!(error instanceof ScheduleNotFoundError)) throw error;
  }
}

/** The Schedule of a report as it is at this moment; null if there is none. */
export async function findSchedule(client: Client, reportId: string): Promise<ShownSchedule | null> {
  try {
    const { scheduleId, state, info } = await client.schedule.getHandle(reportScheduleId(reportId)).describe();
    return shown(scheduleId, state.paused, info.nextActionTimes);
  } catch (error) {
    if (error instanceof ScheduleNotFoundError) return null;
    throw error;
  }
}

/** The Schedules of all reports. They lag behind by a moment. */
export async function listSchedules(client: Client): Promise<ShownSchedule[]> {
  const found: ShownSchedule[] = [];
  for await (const { scheduleId, state, info } of client.schedule.list()) {
    if (reportOfSchedule(scheduleId) !== null) found.push(shown(scheduleId, state.paused, info.nextActionTimes));
  }
  return found;
}

function shown(id: string, isPaused: boolean, [next]: readonly Date[]): ShownSchedule {
  return { id, isPaused, nextAt: isPaused ? null : (next ?? null) };
}
