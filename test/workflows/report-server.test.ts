import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import type { ScheduleHandle } from '@temporalio/client';
import { msToTs } from '@temporalio/common/lib/time.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  changeReport,
  createReport,
  deleteReport,
  findReport,
  listScheduledReports,
  type ReportSettings,
} from '../../db/reports/reports.ts';
import { DAY_MS, addDays, dayOf, daysIn, startOfDayMs, type Day, type DayRange } from '../../domain/days.ts';
import { HOURS, localDayOf, type Every } from '../../domain/reports/periods.ts';
import { keepSchedules } from '../../worker/schedules.ts';
import { reportSchedule, reportScheduleId } from '../../workflows/report-schedule.ts';
import { FakeDoor, TARGETS, channelOf } from '../support/fake-door.ts';
import { record } from '../support/histories.ts';
import { rows } from '../support/rows.ts';
import { stateOf } from '../support/state.ts';
import { until } from '../support/wait.ts';
import { createWorld, type World } from '../support/world.ts';

const door = new FakeDoor();
let world: World;
beforeAll(async () => {
  world = await createWorld({ timeSkipping: false, door, simulator: { now: Date.now(), ticking: false } });
});
afterAll(() => world.close());

const SETTINGS: ReportSettings = {
  name: 'Costs',
  every: 'daily',
  hour: 8,
  timeZone: 'UTC',
  query: { group_by: ['model'] },
  channelIds: null,
};

function keep(): Promise<void> {
  const { database, client, taskQueue } = world;
  return keepSchedules({ db: database.db, client, taskQueue });
}

async function create(more: Partial<ReportSettings>): Promise<{ id: string; handle: ScheduleHandle }> {
  const id = await createReport(world.database.db, { ...SETTINGS, ...more }, 'test');
  return { id, handle: world.client.schedule.getHandle(reportScheduleId(id)) };
}

function exists(handle: ScheduleHandle): Promise<boolean> {
  return handle.describe().then(
    () => true,
    () => false,
  );
}

/** Runs the keeper until something is so: what Temporal lists lags behind. */
async function keptUntil(what: string, is: () => Promise<boolean>): Promise<void> {
  await until(
    what,
    async () => {
      await keep();
      return is();
    },
    30_000,
  );
}

async function noticesOf(id: string): Promise<number> {
  return (await rows(world.database.db, sql`select id from notices where dedupe_key like ${`report:${id}:%`}`)).length;
}

async function runsOf(handle: ScheduleHandle): Promise<string[]> {
  const { info } = await handle.describe();
  return info.recentActions.map(({ action }) => action.workflow.workflowId);
}

async function triggered(handle: ScheduleHandle): Promise<string> {
  const before = (await runsOf(handle)).length;
  await handle.trigger();
  const workflowId = await until('the run to start', async () => (await runsOf(handle))[before] ?? null);
  await until('the run to end', async () => {
    const { status } = await world.client.workflow.getHandle(workflowId).describe();
    return status.name !== 'RUNNING';
  });
  return workflowId;
}

describe('the Schedule of a report', () => {
  it('that was lost is made again, and one that was paused in the UI stays paused, whatever changes', async () => {
    const { id, handle } = await create({ name: 'Kept', every: 'monthly' });
    await keep();
    expect(await handle.describe()).toMatchObject({
      spec: { timezone: 'UTC' },
      policies: { overlap: 'SKIP', catchupWindow: 86_400_000 },
      state: { paused: false },
    });
    await handle.pause('by a person');
    await changeReport(world.database.db, id, { hour: 5, timeZone: 'Asia/Kathmandu' }, 'test');
    await keptUntil('the change', async () => (await handle.describe()).spec.timezone === 'Asia/Kathmandu');
    await keep();
    expect((await handle.describe()).state).toMatchObject({ paused: true, note: 'by a person' });
    await handle.delete();
    await keptUntil('the Schedule', () => exists(handle));
    await deleteReport(world.database.db, id, 'test');
    await keptUntil('the Schedule to go', async () => !(await exists(handle)));
  });

  it('of another deployment stays as it is', async () => {
    const report = { id: '00000000-0000-4000-8000-000000000001', ...SETTINGS };
    const scheduleId = reportScheduleId(report.id);
    const other = await world.client.schedule.create({
      scheduleId,
      memo: { meterlineTaskQueue: 'another' },
      ...reportSchedule('another', report),
    });
    await until('it to be listed', async () => {
      for await (const listed of world.client.schedule.list()) if (listed.scheduleId === scheduleId) return true;
      return false;
    });
    await keep();
    expect(await exists(other)).toBe(true);
    await other.delete();
  });

  it('tells the day before once, however often it is triggered, and its deliveries leave at once', async () => {
    const { database } = world;
    const connection = await world.connect({ backfillDays: 4 });
    await until('active', async () => (await stateOf(database.db, connection)).status === 'active', 40_000);
    const channel = await channelOf(database.db, world.ring, TARGETS.email);
    const { id, handle } = await create({ name: 'Triggered', channelIds: [channel] });
    await keep();
    const first = await triggered(handle);
    await until('the mail to leave', () => Promise.resolve(door.told.length === 1));
    const [delivery] = await rows(
      database.db,
      sql`select extract(epoch from begun_at - created_at)::float as seconds from deliveries where channel_id = ${channel}`,
    );
    expect(delivery?.['seconds']).toBeLessThan(5);
    // Temporal names runs of a Schedule by the second, so a trigger within the same one has no run of its own.
    const triggeredAt = Math.floor(Date.now() / 1000);
    await until('another second', () => Math.floor(Date.now() / 1000) > triggeredAt);
    const second = await triggered(handle);
    expect(second).not.toBe(first);
    expect(await world.client.workflow.getHandle(second).result()).toMatchObject({ state: 'told', wasTold: true });
    expect([await noticesOf(id), door.told.length]).toEqual([1, 1]);
    const yesterday = addDays(dayOf(Date.now()), -1);
    expect((await findReport(database.db, id))?.last).toMatchObject({ period: { from: yesterday, to: yesterday } });
    const [notice] = await rows(database.db, sql`select data from notices where dedupe_key like ${`report:${id}:%`}`);
    const [total] = await rows(
      database.db,
      sql`select trim_scale(total)::text as total from days where connection_id = ${connection} and report = 'cost' and day = ${yesterday}::date`,
    );
    expect(notice?.['data']).toMatchObject({
      ...total,
      days: { missing: [], unfinished: [] },
      why: expect.anything() as unknown,
    });
    await record(world.client, 'server-report-told', first);
  });

  it('whose query lost its meaning fails in words', async () => {
    const { id, handle } = await create({ name: 'Meaningless' });
    await world.database.db.execute(sql`update reports set query = '{"colour": "red"}' where id = ${id}`);
    await keep();
    const workflowId = await triggered(handle);
    const { status } = await world.client.workflow.getHandle(workflowId).describe();
    expect(status.name).toBe('FAILED');
    const failure: unknown = await world.client.workflow
      .getHandle(workflowId)
      .result()
      .catch((error: unknown) => error);
    const cause = failure instanceof Error && failure.cause instanceof Error ? failure.cause.cause : null;
    expect(cause instanceof Error ? cause.message : '').toMatch(/not valid any more: colour is not known here/);
  });

  it.each(['Europe/Berlin', 'America/New_York', 'Pacific/Auckland', 'Asia/Kathmandu'])(
    'in %s is due once on each local day, at any hour, over both clock changes',
    async (timeZone) => {
      const hours = Array.from({ length: HOURS.most - HOURS.least + 1 }, (_, index) => HOURS.least + index);
      await Promise.all(
        hours.map(async (hour) => {
          const id = randomUUID();
          const handle = await world.client.schedule.create({
            scheduleId: reportScheduleId(id),
            ...reportSchedule('nobody', { ...SETTINGS, id, hour, timeZone }),
          });
          const due = await timesOf(handle, timeZone);
          await handle.delete();
          expect([hour, due.map((ms) => localDayOf(ms, timeZone))]).toEqual([hour, everyDay()]);
          expect(new Set(due.map((ms) => hourIn(ms, timeZone)))).toEqual(new Set([hour]));
        }),
      );
    },
  );

  it.each<[Every, (day: Day) => boolean]>([
    ['weekly', (day) => new Date(day).getUTCDay() === 1],
    ['monthly', (day) => day.endsWith('-01')],
  ])('is due %s on its days alone', async (every, isDue) => {
    const timeZone = 'Pacific/Auckland';
    const { handle } = await create({ name: `The ${every}`, every, timeZone });
    await keep();
    const days = (await timesOf(handle, timeZone)).map((ms) => localDayOf(ms, timeZone));
    expect(days).toEqual(everyDay().filter(isDue));
  });

  it('is looked up in one list, however many reports there are', async () => {
    const { database, client, taskQueue } = world;
    await keptUntil('nothing to be left to do', async () => {
      const listed = new Set<string>();
      for await (const { scheduleId } of client.schedule.list()) listed.add(scheduleId);
      return (await listScheduledReports(database.db)).every(({ id }) => listed.has(reportScheduleId(id)));
    });
    const calls: string[] = [];
    const { workflowService } = client;
    const counted = new Proxy(workflowService, {
      get: (service, name, receiver): unknown => {
        calls.push(String(name));
        return Reflect.get(service, name, receiver);
      },
    });
    const watched = Object.create(client.schedule, { workflowService: { value: counted } }) as typeof client.schedule;
    await keepSchedules({
      db: database.db,
      client: Object.create(client, { schedule: { value: watched } }) as typeof client,
      taskQueue,
    });
    expect(calls).toEqual(['listSchedules']);
  });
});

/** Around the clock changes of spring and autumn, north and south. */
const SEASONS: readonly DayRange[] = [
  { from: '2027-03-01', to: '2027-04-15' },
  { from: '2027-09-15', to: '2027-11-20' },
];

function everyDay(): Day[] {
  return SEASONS.flatMap(daysIn);
}

/** When a Schedule is due on {@link everyDay}, as the server itself says; in milliseconds. */
async function timesOf({ scheduleId }: ScheduleHandle, timeZone: string): Promise<number[]> {
  const days = new Set(everyDay());
  const due = await Promise.all(
    SEASONS.map(async ({ from, to }) => {
      const { startTime } = await world.client.workflowService.listScheduleMatchingTimes({
        namespace: 'default',
        scheduleId,
        startTime: msToTs(startOfDayMs(from) - DAY_MS),
        endTime: msToTs(startOfDayMs(to) + 2 * DAY_MS),
      });
      return startTime.map(({ seconds }) => Number(seconds) * 1000);
    }),
  );
  return due.flat().filter((ms) => days.has(localDayOf(ms, timeZone)));
}

function hourIn(ms: number, timeZone: string): number {
  const text = new Intl.DateTimeFormat('en-US', { timeZone, hour: '2-digit', hourCycle: 'h23' }).format(ms);
  return Number(text);
}
