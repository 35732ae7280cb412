import type { DayRange } from '../days.ts';

/** Days that come together, and how many lines they have. */
export interface Lines extends DayRange {
  readonly lines: number;
}

/** Each stretch of a page has at least so many times the lines of the one before, so that there are few of them. */
const GROWTH = 4;

/**
 * Puts parts, which are in the order of their days, together to stretches that follow each other. The first one has at least
 * `enough` lines, each later one at least `growth` times as many as was enough before; the last one has what is left.
 */
export function stretchesOf(parts: readonly Lines[], enough: number, growth = GROWTH): Lines[] {
  const stretches: Lines[] = [];
  let open: Lines | null = null;
  let least = enough;
  for (const part of parts) {
    open = open === null ? part : { from: open.from, to: part.to, lines: open.lines + part.lines };
    if (open.lines < least) continue;
    stretches.push(open);
    open = null;
    least *= growth;
  }
  return open === null ? stretches : [...stretches, open];
}
