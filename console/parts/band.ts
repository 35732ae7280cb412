import { usd } from '../format/money.ts';

/** A band of a forecast, as a sentence without its full stop. */
export function bandNote({ low, high }: { readonly low: string; readonly high: string }): string {
  return `In eight of ten cases ${usd(low)} to ${usd(high)}`;
}
