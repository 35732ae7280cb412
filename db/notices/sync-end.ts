import { eq, sql } from 'drizzle-orm';
import { z } from 'zod';
import type { FlaggedDay } from '../../domain/notices/data.ts';
import { isWorthTelling } from '../../domain/notices/decisions.ts';
import { row, rows, type Db } from '../core/database.ts';
import { bigintText, dayJson, decimalText } from '../core/json.ts';
import { firstNumbers } from '../spend/first-numbers.ts';
import { closeNotice, writeNotice } from './outbox.ts';
import { notices } from './tables.ts';
import { tellRecovery } from './trouble.ts';

/**
 * Tells what a sync found: days that Anthropic corrected, days that do not add up, and if it succeeded, the first numbers
 * of a new connection or the end of trouble. Belongs in the transaction that records its end and has locked the
 * connection. All days of a sync are in one notice, since Anthropic corrects many days at once.
 */
export async function tellSyncEnd(
  tx: Db,
  connection: { id: string; name: string },
  { succeeded }: { succeeded: boolean },
): Promise<void> {
  if (succeeded) {
    await tellConnected(tx, connection);
    await tellRecovery(tx, connection);
  }
  await tellRestatements(tx, connection);
  await tellFlaggedDays(tx, connection);
}

async function tellConnected(tx: Db, { id, name }: { id: string; name: string }): Promise<void> {
  const dedupeKey = `connected:${id}`;
  const told = await tx.select({ id: notices.id }).from(notices).where(eq(notices.dedupeKey, dedupeKey));
  if (told.length > 0) return;
  const numbers = await firstNumbers(tx, id);
  // A sync of days that somebody named may succeed before any day of cost is read.
  if (numbers === null) return;
  const { organization, from, to, days, total, byModel } = numbers;
  await writeNotice(tx, {
    kind: 'connected',
    dedupeKey,
    connectionId: id,
    data: { connection: { id, name }, organization, from, to, days, total, by_model: byModel },
  });
}

async function tellRestatements(tx: Db, { id, name }: { id: string; name: string }): Promise<void> {
  const found = await rows(
    tx,
    z.object({ id: bigintText, report: z.string(), day: dayJson, before: decimalText, after: decimalText }),
    sql`
      update restatements set weighed = true where connection_id = ${id} and not weighed
      returning id::text, report, day::text, trim_scale(before)::text as before, trim_scale(after)::text as after
    `,
  );
  const days = found
    .filter(({ report, ...change }) => report === 'cost' && isWorthTelling(change))
    .sort((a, b) => a.id - b.id)
    .map(({ day, before, after }) => ({ day, before, after }));
  if (days.length === 0) return;
  await writeNotice(tx, {
    kind: 'restated',
    dedupeKey: `restated:${id}:${Math.max(...found.map((one) => one.id))}`,
    connectionId: id,
    data: { connection: { id, name }, days },
  });
}

const flagged = z.object({
  report: z.enum(['cost', 'usage']),
  day: dayJson,
  sum_of_lines: decimalText,
  reported_total: decimalText,
}) satisfies z.ZodType<FlaggedDay>;

async function tellFlaggedDays(tx: Db, { id, name }: { id: string; name: string }): Promise<void> {
  const { days, open, told } = await row(
    tx,
    z.object({
      days: z.array(flagged),
      open: z.array(z.object({ id: z.string(), days: z.array(flagged) })),
      told: z.int(),
    }),
    sql`
      select
        (
          select coalesce(jsonb_agg(jsonb_build_object(
            'report', report, 'day', day,
            'sum_of_lines', trim_scale(total)::text, 'reported_total', trim_scale(disagrees_with)::text
          ) order by day, report), '[]')
          from days where connection_id = ${id} and disagrees_with is not null
        ) as days,
        (
          select coalesce(jsonb_agg(jsonb_build_object('id', id, 'days', data -> 'days')), '[]')
          from notices where connection_id = ${id} and kind = 'day_flagged' and closed_at is null
        ) as open,
        (select count(*)::int from notices where connection_id = ${id} and kind = 'day_flagged') as told
    `,
  );
  for (const notice of open) if (!notice.days.some((day) => has(days, day))) await closeNotice(tx, notice.id);
  const news = days.filter((day) => !open.some((notice) => has(notice.days, day)));
  if (news.length === 0) return;
  await writeNotice(tx, {
    kind: 'day_flagged',
    dedupeKey: `day_flagged:${id}:${told + 1}`,
    connectionId: id,
    data: { connection: { id, name }, days: news },
  });
}

function has(days: readonly FlaggedDay[], { report, day }: FlaggedDay): boolean {
  return days.some((one) => one.report === report && one.day === day);
}
