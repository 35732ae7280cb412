import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createReport, deleteReport, findReport, type ReportSettings } from '../../db/reports/reports.ts';
import { HOUR_MS, addDays, dayOf, startOfDayMs } from '../../domain/days.ts';
import { REPORT_WORKFLOW, type ReportInput } from '../../workflows/messages.ts';
import { connect } from '../db/support.ts';
import { record } from '../support/histories.ts';
import { rows } from '../support/rows.ts';
import { until } from '../support/wait.ts';
import { createWorld, type World } from '../support/world.ts';

// Days of this server pass in milliseconds. It has no Schedules, so these runs are started as a Schedule starts them.

let world: World;
beforeAll(async () => {
  world = await createWorld({ timeSkipping: true });
});
afterAll(() => world.close());

const SETTINGS: ReportSettings = {
  name: 'Costs',
  every: 'daily',
  hour: 8,
  timeZone: 'Pacific/Kiritimati',
  query: { group_by: ['model'] },
  channelIds: null,
};

async function start(name: string): Promise<{ id: string; workflowId: string }> {
  const id = await createReport(world.database.db, { ...SETTINGS, name }, 'test');
  const workflowId = `report-${id}-by-hand`;
  const input: ReportInput = { reportId: id };
  await world.client.workflow.start(REPORT_WORKFLOW, { workflowId, taskQueue: world.taskQueue, args: [input] });
  return { id, workflowId };
}

async function lastOf(id: string): Promise<NonNullable<Awaited<ReturnType<typeof findReport>>>['last']> {
  return (await findReport(world.database.db, id))?.last ?? null;
}

async function isEnded(workflowId: string): Promise<boolean> {
  return (await world.client.workflow.getHandle(workflowId).describe()).status.name === 'COMPLETED';
}

/** Lets time pass until it is noon in UTC, when the day of the time zone is a day ahead. */
async function noon(): Promise<number> {
  const nowMs = await world.now();
  const noonMs = startOfDayMs(addDays(dayOf(nowMs), 1)) + 12 * HOUR_MS;
  await world.pass(`${noonMs - nowMs} ms`);
  return noonMs;
}

describe('a report', () => {
  it('waits until its period is over in UTC, then six hours for the sync, and then names what is missing', async () => {
    const noonMs = await noon();
    const yesterday = addDays(dayOf(noonMs), -20);
    await connect(world.database.db, { organization: 'late', began: yesterday, backfillTo: dayOf(noonMs) });
    const { id, workflowId } = await start('Late');
    const period = dayOf(noonMs);
    await world.pass('11 hours');
    expect(await lastOf(id)).toBeNull();
    await world.pass('390 minutes');
    expect([await lastOf(id), await isEnded(workflowId)]).toEqual([null, false]);
    await world.pass('1 hour');
    await until('the report to end', () => isEnded(workflowId));
    expect(await lastOf(id)).toMatchObject({ period: { from: period, to: period } });
    const [notice] = await rows(world.database.db, sql`select data, content from notices where kind = 'report'`);
    expect(notice).toMatchObject({ data: { total: null, days: { missing: [period] } } });
    await record(world.client, 'report-missing', workflowId);
  });

  it('that is deleted while it waits tells nothing', async () => {
    const { id, workflowId } = await start('Deleted');
    await deleteReport(world.database.db, id, 'test');
    await world.pass('2 days');
    await until('the report to end', () => isEnded(workflowId));
    expect(await rows(world.database.db, sql`select 1 from notices where dedupe_key like ${`report:${id}%`}`)).toEqual(
      [],
    );
    await record(world.client, 'report-gone', workflowId);
  });
});
