import { WorkflowExecutionAlreadyStartedError } from '@temporalio/client';
import { sql } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { isAssessmentDue } from '../../db/budgets/assess.ts';
import { createBudget } from '../../db/budgets/budgets.ts';
import { addDays, type Day } from '../../domain/days.ts';
import { multiplyDecimals, subtractDecimals, toDecimal, type Decimal } from '../../domain/money.ts';
import { keepAssessment } from '../../worker/assess.ts';
import { ASSESS_WORKFLOW, assessNow, assessStart } from '../../workflows/messages.ts';
import { channelOf, TARGETS } from '../support/fake-door.ts';
import { record } from '../support/histories.ts';
import { rows } from '../support/rows.ts';
import { skippingWorld } from '../support/skipping.ts';
import { until } from '../support/wait.ts';

const { world, connected, becomes, passDays, passHours, workflowDay } = await skippingWorld();
const { db } = world.database;
const { control } = world.simulator;

const workflows = { db, client: world.client, taskQueue: world.taskQueue };

async function ask(): Promise<void> {
  const start = { ...assessStart(world.taskQueue), signal: assessNow, signalArgs: [] as [] };
  await until('the server to take a signal', async () => {
    try {
      return await world.client.workflow.signalWithStart(ASSESS_WORKFLOW, start);
    } catch (error) {
      // The server that skips time says so to one of two that ask at the same instant; other servers signal what runs.
      if (error instanceof WorkflowExecutionAlreadyStartedError) return null;
      throw error;
    }
  });
}

/** Waits until the assessment has ended, and returns how. */
async function ended(): Promise<{ status: string; failure: string | null; words: unknown; looks: number }> {
  const handle = world.client.workflow.getHandle(assessStart(world.taskQueue).workflowId);
  const status = await until('the assessment to end', async () => {
    const { name } = (await handle.describe()).status;
    if (name === 'RUNNING') await world.pass('5 seconds');
    return name === 'RUNNING' ? null : name;
  });
  const events = (await handle.fetchHistory()).events ?? [];
  const failure = events.at(-1)?.workflowExecutionFailedEventAttributes?.failure?.message ?? null;
  const data = events.at(-1)?.workflowExecutionCompletedEventAttributes?.result?.payloads?.[0]?.data;
  const words: unknown = data == null ? null : JSON.parse(Buffer.from(data).toString());
  const looks = events.filter(({ activityTaskScheduledEventAttributes: scheduled }) => scheduled != null).length;
  return { status, failure, words, looks };
}

it('whoever asks while it runs has it look once more, however many ask; its result has the counts', async () => {
  await Promise.all(Array.from({ length: 30 }, ask));
  const end = await ended();
  expect(end).toMatchObject({ status: 'COMPLETED', words: { words: '0 budgets, 0 alerts, 0 withdrawn' } });
  expect(end.looks).toBeLessThan(30);
  await record(world.client, 'assess', assessStart(world.taskQueue).workflowId);
});

it('one that fails says why in words, and the keeper starts another one', async () => {
  await db.execute(sql`alter table assess_state rename to elsewhere`);
  await ask();
  const failed = await ended();
  expect(failed.status).toBe('FAILED');
  expect(failed.failure).toMatch(
    /^The budgets and anomalies could not be assessed, and nothing was decided\. .+ What to do: /,
  );
  await record(world.client, 'assess-failed', assessStart(world.taskQueue).workflowId);
  await db.execute(sql`alter table elsewhere rename to assess_state`);
  await db.execute(sql`update assess_state set assessed_on = '2026-01-01'`);
  await keepAssessment(workflows, new Map());
  expect(await ended()).toMatchObject({ status: 'COMPLETED' });
});

it('days with an outage over a threshold and with restatements tell of each threshold exactly', async () => {
  await channelOf(db, world.ring, TARGETS.webhook);
  const { id, organization } = await connected('Budgeted', 10);
  const [sum] = await rows<{ total: string }>(
    db,
    sql`select sum(total)::text as total from days where report = 'cost'`,
  );
  const amount = multiplyDecimals(toDecimal(sum?.total ?? '0'), toDecimal('0.7'));
  const percents = ['20', '60'];
  await createBudget(
    db,
    {
      name: 'All',
      scope: { filters: [] },
      period: 'month',
      amount,
      thresholds: percents.map((percent) => ({ of: 'actual', percent: toDecimal(percent), usd: null })),
      channels: [],
      createdOn: addDays(await workflowDay(), -40),
    },
    'test',
  );
  await ask();
  let changes = 0;
  let standing = new Set<string>();
  /** What stands is what is reached, by the days as they are stored. */
  const check = async (): Promise<void> => {
    await until('everything to be assessed', async () => {
      const left = await rows(
        db,
        sql`select 1 from syncs where not assessed and state = 'succeeded' union all select 1 from budgets where not is_judged`,
      );
      return left.length === 0;
    });
    const reached = new Set(await reachedIn(amount, percents, await workflowDay()));
    const found = await rows<{ key: string }>(
      db,
      sql`select to_char(from_day, 'YYYY-MM') || ' ' || percent as key from budget_alerts where withdrawn_at is null`,
    );
    expect(found.map(({ key }) => key).sort()).toEqual([...reached].sort());
    changes += [...reached].filter((key) => !standing.has(key)).length;
    changes += [...standing].filter((key) => !reached.has(key)).length;
    standing = reached;
    // Days pass for Temporal alone. So later deliveries look as if Postgres were restored, wait for somebody, and take back nothing.
    const [told] = await rows<{ opened: number; withdrawn: number }>(
      db,
      sql`
        select count(*)::int as opened, count(n.withdrawn_at)::int as withdrawn
        from deliveries d join notices n on n.id = d.notice_id
        where n.kind = 'budget_threshold' and d.occasion = 'opened'
      `,
    );
    expect((told?.opened ?? 0) + (told?.withdrawn ?? 0)).toBe(changes);
  };
  await check();
  for (let day = 0; day < 4; day += 1) {
    await passDays(id, 1);
    await check();
  }
  control.fault({ kind: 'status', status: 529, times: 'always' });
  await passHours(24);
  control.clearFaults();
  await passHours(1.1);
  await becomes(id, 'active');
  await check();
  expect(changes).toBeGreaterThan(0);
  // More than the whole budget, in cents.
  const cents = String(Math.ceil(Number(amount)) * 100);
  const corrected = addDays(await workflowDay(), -2);
  control.restate({ organization, day: corrected, kind: 'add', amount: `-${cents}` });
  await passDays(id, 1);
  await check();
  const before = changes;
  control.restate({ organization, day: corrected, kind: 'add', amount: cents });
  await passDays(id, 1);
  await check();
  expect(changes).toBeGreaterThan(before);
  const [counts] = await rows<{ fired: number; withdrawn: number }>(
    db,
    sql`select count(*)::int as fired, count(withdrawn_at)::int as withdrawn from budget_alerts`,
  );
  expect(counts?.withdrawn).toBeGreaterThan(0);
  expect((counts?.fired ?? 0) + (counts?.withdrawn ?? 0)).toBe(changes);
  expect(await isAssessmentDue(db)).toBe(false);
}, 400_000);

async function reachedIn(amount: Decimal, percents: readonly string[], today: Day): Promise<string[]> {
  const months = await rows<{ month: string; total: string }>(
    db,
    sql`
      select to_char(day, 'YYYY-MM') as month, trim_scale(sum(total))::text as total
      from days where report = 'cost' and day <= ${today} group by 1
    `,
  );
  return months.flatMap(({ month, total }) =>
    percents
      .filter((percent) => {
        const threshold = multiplyDecimals(multiplyDecimals(amount, toDecimal(percent)), toDecimal('0.01'));
        return !subtractDecimals(toDecimal(total), threshold).startsWith('-');
      })
      .map((percent) => `${month} ${percent}`),
  );
}
