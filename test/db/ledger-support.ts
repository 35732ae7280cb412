import { sql } from 'drizzle-orm';
import fc from 'fast-check';
import type { Db } from '../../db/core/database.ts';
import type { Day } from '../../domain/days.ts';
import { USAGE_COUNTS, canonicalDimensions } from '../../domain/lines.ts';
import type { CostLine, UsageLine } from '../support/lines.ts';
import { ZERO, addDecimals, type Decimal } from '../../domain/money.ts';
import { rows } from '../support/rows.ts';
import { DAY, cost, usage } from './support.ts';

/** The stored lines of a day, as text: `dimensions amount`, sorted. */
export async function storedCost(db: Db, connectionId: string, day: Day = DAY): Promise<string[]> {
  const found = await rows<{
    dimensions: Record<string, string | null>;
    extra: Record<string, string> | null;
    amount: string;
  }>(
    db,
    sql`
      select extra, amount::text, jsonb_build_object(
        'workspace_id', workspace_id, 'description', description, 'cost_type', cost_type, 'model', model,
        'token_type', token_type, 'context_window', context_window, 'service_tier', service_tier,
        'inference_geo', inference_geo, 'currency', currency
      ) as dimensions
      from costs where connection_id = ${connectionId} and day = ${day}
    `,
  );
  return found
    .map(({ dimensions, extra, amount }) => `${canonicalDimensions({ ...dimensions, ...extra })} ${amount}`)
    .sort();
}

export async function storedUsage(db: Db, connectionId: string, day: Day = DAY): Promise<string[]> {
  const found = await rows<
    Record<string, string | null> & {
      extra: Record<string, string> | null;
      extra_counts: Record<string, number> | null;
    }
  >(db, sql`select * from usage where connection_id = ${connectionId} and day = ${day}`);
  return found
    .map((line) => {
      const { workspace_id, model, service_tier, context_window, inference_geo, extra, extra_counts } = line;
      const dimensions = { workspace_id, model, service_tier, context_window, inference_geo, ...extra };
      const counts = USAGE_COUNTS.map((name) => String(line[name])).join(' ');
      return `${canonicalDimensions(dimensions as Record<string, string | null>)} ${counts} ${canonicalDimensions(extra_counts ?? {})}`;
    })
    .sort();
}

export interface Restatement extends Record<string, unknown> {
  readonly before: string;
  readonly after: string;
  readonly added: number;
  readonly removed: number;
  readonly changed: number;
}

export function restatements(db: Db, connectionId: string): Promise<Restatement[]> {
  return rows(
    db,
    sql`
      select before::text, after::text, lines_added as added, lines_removed as removed, lines_changed as changed
      from restatements where connection_id = ${connectionId} order by id
    `,
  );
}

/** Where each line lies on disk and which transaction wrote it: a line that is written again moves. */
export async function places(db: Db, table: 'cost_lines' | 'usage_lines', connectionId: string): Promise<string[]> {
  const found = await rows<{ place: string }>(
    db,
    sql`
      select l.series_no || ' ' || l.xmin || ' ' || l.ctid as place
      from ${sql.identifier(table)} l join days d using (day_no)
      where d.connection_id = ${connectionId} order by l.series_no
    `,
  );
  return found.map(({ place }) => place);
}
/** A few series, so that lines come, go and change; and amounts of all kinds. */
const DIMENSIONS = [
  { model: 'a' },
  { model: 'b', workspace_id: 'w' },
  { model: 'a', description: 'Ünï "code", \\ {NULL}' },
  { cost_type: 'quantum', new_field: 'x' },
  { currency: 'EUR', model: 'a' },
  { model: 'a', token_type: 'output_tokens' },
  { model: 'a', token_type: 'cache_read_input_tokens', inference_geo: 'not_available' },
  { model: 'a', token_type: 'not_known_yet' },
  { model: 'a', token_type: 'output_tokens', service_tier: 'batch' },
] as const;
const amount = fc.oneof(
  fc.constantFrom('0', '1', '-1', '1.10', '0.000000000000000000000000000001', '99999999999999999999.99'),
  fc.tuple(fc.integer({ min: -999, max: 999 }), fc.nat(999)).map(([whole, rest]) => `${whole}.${rest}`),
);
export const costLines = fc.array(
  fc.tuple(fc.constantFrom(...DIMENSIONS), amount).map(([dimensions, given]) => cost(given, dimensions)),
  { maxLength: 7 },
);
export const usageLines = fc.array(
  fc
    .tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(3), fc.nat(3), fc.option(fc.nat(3), { nil: undefined }))
    .map(([model, input, output, more]) =>
      usage({ uncached_input_tokens: input, output_tokens: output }, { model }, more === undefined ? {} : { more }),
    ),
  { maxLength: 5 },
);

/** What a day should hold, by the text of its dimensions. */
export function costModel(lines: readonly CostLine[]): Map<string, Decimal> {
  const model = new Map<string, Decimal>();
  for (const { dimensions, amount: next } of lines) {
    const series = canonicalDimensions(dimensions);
    model.set(series, addDecimals([model.get(series) ?? ZERO, next]));
  }
  return model;
}

export function usageModel(lines: readonly UsageLine[]): Map<string, string> {
  const sums = new Map<string, { counts: number[]; extra: Record<string, number> }>();
  for (const { dimensions, counts, extraCounts } of lines) {
    const series = canonicalDimensions(dimensions);
    const sum = sums.get(series) ?? { counts: USAGE_COUNTS.map(() => 0), extra: {} };
    const extra = { ...sum.extra };
    for (const [name, value] of Object.entries(extraCounts)) extra[name] = (extra[name] ?? 0) + Number(value);
    const added = USAGE_COUNTS.map((name, index) => (sum.counts[index] ?? 0) + Number(counts[name]));
    sums.set(series, { counts: added, extra });
  }
  return new Map(
    [...sums].map(([series, { counts, extra }]) => [series, `${counts.join(' ')} ${canonicalDimensions(extra)}`]),
  );
}

/** What is known by name of lines, without what is zero: every dimension of these has a column, but for one constant. */
export function knownOf(model: ReadonlyMap<string, string>): string {
  return [...model]
    .map(([series, value]) => `${series} ${value.replace(/ \{"more":\d+\}| \{\}/, '')}`)
    .filter((line) => !/\} 0( 0)*$/.test(line))
    .sort()
    .join('\n');
}

export function linesOf(model: ReadonlyMap<string, string>): string[] {
  return [...model].map(([series, value]) => `${series} ${value}`).sort();
}

export function difference(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): Omit<Restatement, 'before' | 'after'> {
  const both = [...after.keys()].filter((series) => before.has(series));
  return {
    added: after.size - both.length,
    removed: before.size - both.length,
    changed: both.filter((series) => before.get(series) !== after.get(series)).length,
  };
}
