import type { Decimal } from '../money.ts';
import type { Month } from '../months.ts';
import type { Filter } from '../spend/query.ts';

/** Who each line of cost belongs to, from a month on. */
export interface Allocation {
  /** The first month in which it is in force. */
  readonly from: Month;
  /** In their order: the first rule that matches a line decides. */
  readonly rules: readonly Rule[];
  /** In their order: a pool shares its costs with cost centers and with pools after it. */
  readonly pools: readonly Pool[];
}

/** Says where the lines go that it matches. */
export interface Rule {
  /** Unique among rules. */
  readonly name: string;
  /** A line matches if all of them let it through; without any, every line does. */
  readonly where: readonly Filter[];
  readonly to: Target;
}

/** A cost center, the cost center that a tag of the workspace names, or a pool. A line without the tag does not match. */
export type Target = { readonly center: string } | { readonly tag: string } | { readonly pool: string };

/** Costs that several recipients share. */
export interface Pool {
  /** Unique among pools. */
  readonly name: string;
  readonly split: Split;
  /** Who shares; null for every cost center that a line of the month goes to directly. */
  readonly among: readonly Recipient[] | null;
}

/**
 * How a pool is shared: in equal parts, in fixed percentages in the order of its recipients, or in proportion to what the
 * recipients have.
 */
export type Split =
  | { readonly kind: 'even' }
  | { readonly kind: 'fixed'; readonly percents: readonly Decimal[] }
  | { readonly kind: 'proportional'; readonly to: 'cost' | 'tokens' };

/** A cost center, or a pool after the one that is shared. */
export type Recipient = { readonly center: string } | { readonly pool: string };

/** A text that two recipients share only if they are the same. */
export function recipientKey(recipient: Recipient): string {
  return 'center' in recipient ? `center ${recipient.center}` : `pool ${recipient.pool}`;
}

/** Whether the weights of a pool are tokens. */
export function needsTokens({ pools }: Allocation): boolean {
  return pools.some(({ split }) => split.kind === 'proportional' && split.to === 'tokens');
}
