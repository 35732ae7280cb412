import fc from 'fast-check';
import type { Db } from '../../db/core/database.ts';
import { toDay } from '../../domain/days.ts';
import { seedConnection } from '../api/support.ts';
import {
  COUNTS,
  NOW,
  storeCost,
  storeLedger,
  storeUsage,
  VALUES,
  type CostLine,
  type Ledger,
  type LinesOf,
  type UsageLine,
} from './ledger.ts';

/** The ledger that unit costs are asked about: few units, so that most tokens are billed and most prices are compared. */

const UNKNOWN_TYPE = 'cache_creation.ephemeral_24h_input_tokens';

/** The first ones are the usual ones. */
const mostly = <T>(usual: readonly T[], others: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...usual) }, { weight: 1, arbitrary: fc.constantFrom(...others) });

const unit = fc.record({
  workspace: mostly(['w1'], [null, 'w2']),
  model: mostly(['claude-a'], ['claude-B', null]),
  context_window: fc.constant('0-200k'),
  service_tier: mostly(['standard', 'batch'], ['priority', null]),
  inference_geo: mostly([null, 'not_available'], ['us']),
});

/** With one to eight tokens, the smallest of them make prices end in half a digit. */
const amount = fc.constantFrom(
  ...['0', '1.5', '-1.5', '0.000003', '0.3', '7', '123456.789', '-0.07', '98765432109876543210.5'],
  ...['0.000000000000000001', '0.000000000000000003', '-0.000000000000000001', '0.000000000000000005'],
);

const costLine: fc.Arbitrary<CostLine> = fc
  .record({
    unit,
    token_type: mostly(VALUES.token_type.slice(1, -1), VALUES.token_type),
    cost_type: fc.constant('tokens'),
    description: fc.constantFrom(...VALUES.description),
    currency: fc.constantFrom('USD', 'USD', 'USD', 'USD', 'USD', 'EUR', 'JPY'),
    amount,
  })
  // The priority tier is never billed.
  .filter((line) => line.unit.service_tier !== 'priority')
  .map(({ unit: of, ...line }) => ({ ...of, ...line }));

const count = fc.oneof(fc.constant(0), fc.constantFrom(1, 2, 4, 8), fc.nat(5_000), fc.maxSafeInteger().map(Math.abs));
const usageLine: fc.Arbitrary<UsageLine> = fc
  .record({
    unit,
    counts: fc.array(count, { minLength: COUNTS.length, maxLength: COUNTS.length }),
    others: fc.record(
      { [UNKNOWN_TYPE]: fc.constantFrom('1', '3'), hours: fc.constantFrom('0.25', '-3') },
      { requiredKeys: [] },
    ),
  })
  .map(({ unit: of, ...line }) => ({ ...of, ...line }));

/** This connection has whole months in which no price to compare with was billed. */
const WITHOUT_PRICES = 'Old';
function linesOf(name: string): LinesOf {
  if (name !== WITHOUT_PRICES) return { cost: costLine, usage: usageLine };
  const isCompared = (line: CostLine): boolean =>
    line.token_type === 'uncached_input_tokens' || line.service_tier === 'standard';
  return { cost: costLine.filter((line) => !isCompared(line)), usage: usageLine };
}

const PLAIN = {
  ...{ workspace: 'w1', model: 'plain', context_window: '0-200k', service_tier: 'standard', inference_geo: null },
  ...{ cost_type: 'tokens', description: null, currency: 'USD' },
} as const;

/** The prices, savings and hit rates of this model are known, and each is rounded from an exact half. */
const TIES: { readonly cost: readonly CostLine[]; readonly usage: readonly UsageLine[] } = {
  cost: [
    { ...PLAIN, token_type: 'uncached_input_tokens', amount: '0.000000000000000003' },
    { ...PLAIN, token_type: 'cache_read_input_tokens', amount: '0.000000000000000001' },
    { ...PLAIN, token_type: 'cache_creation.ephemeral_5m_input_tokens', amount: '3.75' },
    { ...PLAIN, token_type: 'cache_creation.ephemeral_1h_input_tokens', amount: '6' },
    { ...PLAIN, service_tier: 'batch', token_type: 'output_tokens', amount: '0.000000000000000005' },
    { ...PLAIN, token_type: 'output_tokens', amount: '0.000000000000000007' },
  ],
  usage: [
    { ...PLAIN, counts: [2, 2, 2, 1, 1, 0], others: {} },
    { ...PLAIN, service_tier: 'batch', counts: [8_190, 2, 1, 1, 0, 0], others: {} },
  ],
};

/** Stores the ledger, and behind all others a connection of an organization with {@link TIES}. */
export async function storeUnitLedger(db: Db): Promise<Ledger> {
  const ledger = await storeLedger(db, linesOf);
  const [name, organization, began, day] = ['Ties', 'ties', '2026-03-28', '2026-03-29'];
  const id = await seedConnection(db, {
    ...{ name, organization, createdAt: new Date(NOW + ledger.length), began: toDay(began) },
  });
  const cost = { isProvisional: false, lines: TIES.cost };
  const usage = { isProvisional: true, lines: TIES.usage };
  await storeCost(db, id, day, cost);
  await storeUsage(db, id, day, usage);
  const ties = {
    ...{ id, name, organization, began, ended: null, isRefused: false, isPurged: false, workspaces: [] },
    ...{ cost: new Map([[day, cost]]), usage: new Map([[day, usage]]) },
  };
  return [...ledger, ties];
}
