import { ZERO, addDecimals, isNegative, multiplyDecimals, toUnits, ofUnits, type Decimal } from '../money.ts';
import { recipientKey, type Allocation, type Pool, type Recipient } from './document.ts';

/** Shares have this many digits. */
export const SHARE_DIGITS = 12;
const WHOLE = 10n ** BigInt(SHARE_DIGITS);
/** The smallest fraction. */
const SMALLEST = ofUnits(1n, SHARE_DIGITS);
/** All of something. */
export const ONE = ofUnits(1n, 0);

/** What the rules give to cost centers and to pools in a month, by their names, before any pool is shared. */
export interface Direct {
  readonly centers: ReadonlyMap<string, Decimal>;
  readonly pools: ReadonlyMap<string, Decimal>;
}

/** How a pool is shared in a month. */
export interface PoolShares {
  readonly pool: string;
  /** The fractions of its recipients, later pools among them. They add up to 1, unless there are no recipients. */
  readonly recipients: readonly { readonly recipient: Recipient; readonly fraction: Decimal }[];
  /** The fractions of cost centers, through later pools. With `unallocated` they add up to 1 exactly. */
  readonly centers: ReadonlyMap<string, Decimal>;
  /** The fraction that stays with nobody, since it or a later pool has no recipients. */
  readonly unallocated: Decimal;
}

/**
 * How the pools of a document are shared in a month, in their order. `cost` is in US dollars; `tokens` is needed only where
 * the weights of a pool are tokens. A share of a line is its amount times the fraction of its pool, so whatever is added up
 * adds up by itself.
 */
export function sharesOf({ pools }: Allocation, cost: Direct, tokens: Direct | null): PoolShares[] {
  const has = { cost: new Holdings(cost), tokens: new Holdings(tokens ?? { centers: new Map(), pools: new Map() }) };
  const centers = [...cost.centers.keys()].sort(byText).map((center): Recipient => ({ center }));
  const own = pools.map((pool) => {
    const recipients = pool.among ?? centers;
    const fractions = fractionsOf(weightsOf(pool, recipients, has));
    const shared = recipients.map((recipient, index) => ({ recipient, fraction: fractions[index] ?? ZERO }));
    for (const holdings of Object.values(has)) holdings.share(pool.name, shared);
    return { pool: pool.name, recipients: shared };
  });
  const flat = new Map<string, Flat>();
  for (const shares of own.toReversed()) flat.set(shares.pool, flattened(shares, flat));
  return own.map(({ pool, recipients }): PoolShares => {
    const { centers: through = new Map<string, bigint>(), unallocated = 0n, scale = 0 } = flat.get(pool) ?? {};
    const fractions = [...through].map(([center, units]) => [center, ofUnits(units, scale)] as const);
    return { pool, recipients, centers: new Map(fractions), unallocated: ofUnits(unallocated, scale) };
  });
}

/** What belongs to each cost center once the pools are shared, and what belongs to nobody. */
export function allocate(
  { centers, pools }: Direct,
  unmatched: Decimal,
  shares: readonly PoolShares[],
): { centers: Map<string, Decimal>; unallocated: Decimal } {
  const all = new Map(centers);
  let unallocated = unmatched;
  for (const { pool, centers: fractions, unallocated: rest } of shares) {
    const amount = pools.get(pool) ?? ZERO;
    for (const [center, fraction] of fractions) {
      all.set(center, addDecimals([all.get(center) ?? ZERO, multiplyDecimals(amount, fraction)]));
    }
    unallocated = addDecimals([unallocated, multiplyDecimals(amount, rest)]);
  }
  return { centers: all, unallocated };
}

/** What each recipient has in a measure, with what it received from the pools that are shared already. */
class Holdings {
  readonly #amounts = new Map<string, Decimal>();

  constructor({ centers, pools }: Direct) {
    for (const [center, amount] of centers) this.#amounts.set(recipientKey({ center }), amount);
    for (const [pool, amount] of pools) this.#amounts.set(recipientKey({ pool }), amount);
  }

  of(recipient: Recipient): Decimal {
    return this.#amounts.get(recipientKey(recipient)) ?? ZERO;
  }

  share(pool: string, shares: readonly { recipient: Recipient; fraction: Decimal }[]): void {
    const amount = this.of({ pool });
    for (const { recipient, fraction } of shares) {
      const received = multiplyDecimals(amount, fraction);
      this.#amounts.set(recipientKey(recipient), addDecimals([this.of(recipient), received]));
    }
  }
}

interface Weight {
  readonly key: string;
  readonly weight: Decimal;
}

function weightsOf(
  { split }: Pool,
  recipients: readonly Recipient[],
  has: { readonly cost: Holdings; readonly tokens: Holdings },
): Weight[] {
  const weigh = (recipient: Recipient, index: number): Decimal => {
    switch (split.kind) {
      case 'even':
        return ONE;
      case 'fixed':
        return split.percents[index] ?? ZERO;
      case 'proportional':
        return has[split.to].of(recipient);
    }
  };
  return recipients.map((recipient, index) => ({ key: recipientKey(recipient), weight: weigh(recipient, index) }));
}

/**
 * Fractions of {@link SHARE_DIGITS} digits in proportion to weights, which add up to exactly 1. What rounding leaves goes to
 * the largest remainders, ties by key. Negative weights count as zero; if all are zero, everybody gets the same.
 */
export function fractionsOf(weights: readonly Weight[]): Decimal[] {
  const counted = weights.map(({ weight }) => (isNegative(weight) ? ZERO : weight));
  const { units: positive } = toUnits(counted);
  const isZero = positive.every((unit) => unit === 0n);
  const units = isZero ? positive.map(() => 1n) : positive;
  const total = units.reduce((sum, unit) => sum + unit, 0n);
  const parts = units.map((unit, index) => ({
    index,
    key: weights[index]?.key ?? '',
    floor: (unit * WHOLE) / total,
    rest: (unit * WHOLE) % total,
  }));
  const left = WHOLE - parts.reduce((sum, { floor }) => sum + floor, 0n);
  const lucky = parts.toSorted((a, b) => (a.rest === b.rest ? byText(a.key, b.key) : a.rest > b.rest ? -1 : 1));
  const extra = new Set(lucky.slice(0, Number(left)).map(({ index }) => index));
  return parts.map(({ floor, index }) => ofUnits(floor + (extra.has(index) ? 1n : 0n), SHARE_DIGITS));
}

/** Fractions through later pools as whole numbers of 10^-`scale`: texts would take seconds where pools share with many pools. */
interface Flat {
  readonly centers: ReadonlyMap<string, bigint>;
  readonly unallocated: bigint;
  readonly scale: number;
}

function flattened({ recipients }: Pick<PoolShares, 'recipients'>, later: ReadonlyMap<string, Flat>): Flat {
  const through = recipients.flatMap(({ recipient }) => ('pool' in recipient ? (later.get(recipient.pool) ?? []) : []));
  const scale = SHARE_DIGITS + through.reduce((most, flat) => Math.max(most, flat.scale), 0);
  const centers = new Map<string, bigint>();
  const add = (center: string, units: bigint): void => {
    if (units !== 0n) centers.set(center, (centers.get(center) ?? 0n) + units);
  };
  let unallocated = recipients.length === 0 ? 10n ** BigInt(scale) : 0n;
  for (const { recipient, fraction } of recipients) {
    const [own = 0n] = toUnits([fraction, SMALLEST]).units;
    if ('center' in recipient) {
      add(recipient.center, own * 10n ** BigInt(scale - SHARE_DIGITS));
      continue;
    }
    const flat = later.get(recipient.pool);
    if (flat === undefined) continue;
    const factor = own * 10n ** BigInt(scale - SHARE_DIGITS - flat.scale);
    for (const [center, units] of flat.centers) add(center, factor * units);
    unallocated += factor * flat.unallocated;
  }
  return { centers, unallocated, scale };
}

/** In the order of code units, whatever the language of the machine. */
function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
