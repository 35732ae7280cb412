import { sql } from 'drizzle-orm';
import type { Db } from '../../db/core/database.ts';
import type { Day } from '../../domain/days.ts';
import type { Simulator } from '../../simulator/simulator.ts';
import { rows } from './rows.ts';

/** Every stored cost line of a range as text, sorted: the multiset of lines. */
export async function storedCost(db: Db, connectionId: string, from: Day, to: Day): Promise<string[]> {
  const lines = await rows<Record<string, string | null>>(
    db,
    sql`
      select day::text, workspace_id, description, cost_type, model, token_type, context_window, service_tier,
        inference_geo, currency, extra::text, trim_scale(amount)::text as amount
      from costs where connection_id = ${connectionId} and day between ${from} and ${to}
    `,
  );
  return lines
    .map((line) =>
      spell([
        line['day'],
        line['workspace_id'],
        line['description'],
        line['cost_type'],
        line['model'],
        line['token_type'],
        line['context_window'],
        line['service_tier'],
        line['inference_geo'],
        line['currency'],
        line['extra'] == null ? null : JSON.stringify(JSON.parse(line['extra'])),
        line['amount'],
      ]),
    )
    .sort();
}

/** The simulator's own ledger of cost, in the same form. */
export function trueCost(simulator: Simulator, from: Day, to: Day, organization?: string): string[] {
  return simulator.control
    .ledger({ report: 'cost', from, to, organization })
    .map((line) => {
      if (!('amount_usd' in line)) throw new Error('not a cost line');
      return spell([
        line.day,
        line.workspace_id,
        line.description,
        line.cost_type,
        line.model,
        line.token_type,
        line.context_window,
        line.service_tier,
        line.inference_geo,
        line.currency,
        line.extra === undefined || Object.keys(line.extra).length === 0 ? null : JSON.stringify(line.extra),
        line.amount_usd,
      ]);
    })
    .sort();
}

const COUNTS = [
  'uncached_input_tokens',
  'output_tokens',
  'cache_read_input_tokens',
  'cache_creation_5m',
  'cache_creation_1h',
  'web_search_requests',
] as const;

/** Every stored usage line of a range as text, sorted. */
export async function storedUsage(db: Db, connectionId: string, from: Day, to: Day): Promise<string[]> {
  const lines = await rows<Record<string, string | null>>(
    db,
    sql`
      select day::text, workspace_id, model, service_tier, context_window, inference_geo, ${sql.raw(COUNTS.join(', '))}
      from usage where connection_id = ${connectionId} and day between ${from} and ${to}
    `,
  );
  return lines
    .map((line) =>
      spell([
        line['day'],
        line['workspace_id'],
        line['model'],
        line['service_tier'],
        line['context_window'],
        line['inference_geo'],
        ...COUNTS.map((name) => String(line[name])),
      ]),
    )
    .sort();
}

/** The simulator's own ledger of usage, in the same form. */
export function trueUsage(simulator: Simulator, from: Day, to: Day, organization?: string): string[] {
  return simulator.control
    .ledger({ report: 'usage', from, to, organization })
    .map((line) => {
      if (!('output_tokens' in line)) throw new Error('not a usage line');
      return spell([
        line.day,
        line.workspace_id,
        line.model,
        line.service_tier,
        line.context_window,
        line.inference_geo,
        ...COUNTS.map((name) => String(line[name])),
      ]);
    })
    .sort();
}

function spell(fields: readonly (string | null | undefined)[]): string {
  return fields.map((field) => field ?? '∅').join(' | ');
}
