import { rounded, signOf } from './decimal.ts';

/** Why an amount changed: the four add up to the change exactly. */
export interface WhyChange {
  readonly volume: string;
  readonly mix: string;
  readonly price: string;
  readonly unmatched: string;
}

const NAMES = ['volume', 'mix', 'price', 'unmatched'] as const;
const CENTS = 2;

/** The parts to put into words. Beside cents, what rounding leaves would say nothing. */
export function worthSaying(change: WhyChange): (keyof WhyChange)[] {
  const moved = NAMES.filter((name) => signOf(change[name]) !== 0);
  const large = moved.filter((name) => signOf(rounded(change[name], CENTS)) !== 0);
  return large.length === 0 ? moved : large;
}
