import { addLeaves, compareConditions, matcherOf, type Frame } from './frame.ts';
import type { Condition } from './incident.ts';

/** Where a deviation happened. */
export interface Location {
  readonly cause: readonly Condition[];
  readonly within: readonly Condition[];
  readonly counterpart: readonly Condition[];
  /** The share of the deviation that the cause explains. */
  readonly explained: number;
  /** Per part of the frame, the share of the cause's deviation that lies in it; the counterpart's counts like the cause's. */
  readonly overlaps: Float64Array;
}

/** The days that deviate, and days that they are compared with. */
export interface Contrast {
  readonly now: readonly number[];
  readonly before: readonly number[];
  readonly direction: 1 | -1;
  /** Only what meets these conditions deviates. */
  readonly scope: readonly Condition[];
  /** What meets one of these is told already as spend that never was. */
  readonly without: readonly (readonly Condition[])[];
}

const EXPLAINED = 0.8;
const MAX_CONDITIONS = 3;
/** A cause grows so many times as fast as what is left. */
export const LIFT = 2.5;
/** How far a total may move, as a share of one of two moves that offset each other. */
const OFFSET_NET = 0.35;
const OFFSET_LEAST = 0.6;
/** How many parts of a dimension are combined with others. */
const TOP = 6;

/** The deviation of each leaf, and what it had before, as means of the days. */
interface Leaves {
  readonly frame: Frame;
  readonly deviations: Float64Array;
  readonly before: Float64Array;
}

interface Sum {
  readonly deviation: number;
  readonly before: number;
}

/** The smallest cause that explains at least 80 % of a deviation. Its direction is that of the contrast. */
export function locate(frame: Frame, contrast: Contrast): Location {
  const leaves = leavesOf(frame, contrast);
  const inScope = (conditions: readonly Condition[]): Sum => sumOf(leaves, [...contrast.scope, ...conditions]);
  const all = inScope([]);
  const none = {
    cause: contrast.scope,
    within: [],
    counterpart: [],
    explained: 1,
    overlaps: overlapsOf(leaves, [contrast.scope]),
  };
  if (!(all.deviation > 0)) return none;
  const found = contrast.scope.length > 0 ? contrast.scope : smallest(leaves, all);
  const explained = sumOf(leaves, found);
  const counterpart = counterpartOf(leaves, found, explained);
  return {
    cause: found,
    within: found.length === 0 ? [] : narrower(leaves, found),
    counterpart,
    explained: contrast.scope.length > 0 ? 1 : explained.deviation / all.deviation,
    overlaps: overlapsOf(leaves, counterpart.length === 0 ? [found] : [found, counterpart]),
  };
}

function leavesOf(frame: Frame, { now, before, direction, without }: Contrast): Leaves {
  const sums = addLeaves(frame, before).map((sum) => sum / Math.max(1, before.length));
  const deviations = addLeaves(frame, now).map((sum, leaf) => direction * (sum / now.length - (sums[leaf] ?? 0)));
  for (const isMet of without.map((conditions) => matcherOf(frame, conditions))) {
    for (const [place, leaf] of frame.leaves.entries()) if (isMet(leaf)) deviations[place] = 0;
  }
  return { frame, deviations, before: sums };
}

function sumOf({ frame, deviations, before }: Leaves, conditions: readonly Condition[]): Sum {
  const isMet = matcherOf(frame, conditions);
  let [deviation, earlier] = [0, 0];
  for (const [place, leaf] of frame.leaves.entries()) {
    if (deviations[place] === 0 && before[place] === 0) continue;
    if (!isMet(leaf)) continue;
    deviation += deviations[place] ?? 0;
    earlier += before[place] ?? 0;
  }
  return { deviation, before: earlier };
}

interface Candidate extends Sum {
  readonly conditions: readonly Condition[];
}

/** The fewest conditions; among as many, those that explain more with less. Empty if the spend moved as a whole. */
function smallest(leaves: Leaves, all: Sum): readonly Condition[] {
  const singles = singlesOf(leaves);
  for (let count = 1; count <= MAX_CONDITIONS; count += 1) {
    const candidates = count === 1 ? singles : combined(leaves, singles, all, count);
    const best = bestOf(
      candidates.filter((one) => one.deviation >= EXPLAINED * all.deviation && isSpecific(one, all)),
      all,
    );
    if (best !== null) return [...best.conditions].sort(compareConditions);
  }
  return [];
}

function singlesOf({ frame, deviations, before }: Leaves): Candidate[] {
  return frame.dimensions.flatMap((dimension, at) => {
    const sums = new Map<string | null, { deviation: number; before: number }>();
    for (const [place, leaf] of frame.leaves.entries()) {
      const value = leaf[at] ?? null;
      const sum = sums.get(value) ?? { deviation: 0, before: 0 };
      sum.deviation += deviations[place] ?? 0;
      sum.before += before[place] ?? 0;
      sums.set(value, sum);
    }
    if (sums.size < 2) return [];
    return [...sums].map(([value, sum]) => ({ conditions: [{ dimension, value }], ...sum }));
  });
}

/** Values of one dimension together, and values of several dimensions at once. */
function combined(leaves: Leaves, singles: readonly Candidate[], all: Sum, count: number): Candidate[] {
  const tops = leaves.frame.dimensions.map((dimension) =>
    singles
      .filter((one) => one.conditions[0]?.dimension === dimension && one.deviation > 0)
      .sort((a, b) => b.deviation - a.deviation || byConditions(a, b))
      .slice(0, TOP),
  );
  const together = tops.flatMap((top) => {
    const chosen = top.slice(0, count).filter((one) => one.deviation >= all.deviation / (count * 4));
    if (chosen.length < count) return [];
    return [chosen.flatMap(({ conditions }) => conditions)];
  });
  const crossed = count > 2 ? [] : crossings(tops, all);
  return [...together, ...crossed].map((conditions) => ({ conditions, ...sumOf(leaves, conditions) }));
}

function crossings(tops: readonly Candidate[][], all: Sum): Condition[][] {
  const able = tops.map((top) => top.filter((one) => one.deviation >= all.deviation / 2));
  return able.flatMap((first, at) =>
    able.slice(at + 1).flatMap((second) => first.flatMap((a) => second.map((b) => [...a.conditions, ...b.conditions]))),
  );
}

/** Whether the rest of the spend moved much less: otherwise the spend moved as a whole. */
function isSpecific(part: Sum, all: Sum): boolean {
  const rest = { deviation: all.deviation - part.deviation, before: all.before - part.before };
  if (rest.before <= 0.01 * all.before) return all.before <= 0;
  return Math.max(0, rest.deviation) * Math.max(0, part.before) * LIFT <= part.deviation * rest.before;
}

function bestOf(candidates: readonly Candidate[], all: Sum): Candidate | null {
  const score = (one: Candidate): number =>
    Math.min(1, one.deviation / all.deviation) - (0.3 * one.before) / Math.max(all.before, all.deviation);
  const sorted = candidates.map((one) => ({ one, score: Math.round(score(one) * 50) }));
  sorted.sort((a, b) => b.score - a.score || byConditions(a.one, b.one));
  return sorted[0]?.one ?? null;
}

function byConditions(a: Candidate, b: Candidate): number {
  for (const [at, condition] of a.conditions.entries()) {
    const other = b.conditions[at];
    const order = other === undefined ? 1 : compareConditions(condition, other);
    if (order !== 0) return order;
  }
  return 0;
}

/** Conditions on other dimensions that hold for nearly all of the cause's deviation, but not for nearly all of its spend. */
function narrower(leaves: Leaves, cause: readonly Condition[]): Condition[] {
  const found: Condition[] = [];
  const whole = sumOf(leaves, cause);
  for (let scope = whole; ;) {
    const taken = new Set([...cause, ...found].map(({ dimension }) => dimension));
    const candidates = singlesOf(leaves)
      .filter(({ conditions }) => !taken.has(conditions[0]?.dimension ?? ''))
      .filter(({ deviation }) => deviation > 0.5 * whole.deviation)
      .map(({ conditions }) => ({ conditions, ...sumOf(leaves, [...cause, ...found, ...conditions]) }))
      .filter((one) => one.deviation >= EXPLAINED * whole.deviation && isNarrower(one, scope));
    const best = bestOf(candidates, scope);
    if (best === null) return found;
    found.push(...best.conditions);
    scope = best;
  }
}

function isNarrower(part: Sum, scope: Sum): boolean {
  const spend = (sum: Sum): number => sum.before + Math.max(0, sum.deviation);
  return spend(part) < 0.99 * spend(scope) && isSpecific(part, scope);
}

/** What moved the other way in the cause's dimension, where the total moved little. */
function counterpartOf(leaves: Leaves, cause: readonly Condition[], moved: Sum): readonly Condition[] {
  const [first] = cause;
  if (first === undefined) return [];
  const net = sumOf(leaves, []).deviation;
  if (Math.abs(net) > OFFSET_NET * moved.deviation) return [];
  const others = singlesOf(leaves).filter(
    ({ conditions, deviation }) =>
      conditions[0]?.dimension === first.dimension &&
      -deviation >= OFFSET_LEAST * moved.deviation &&
      !cause.some(({ value }) => value === conditions[0]?.value),
  );
  others.sort((a, b) => a.deviation - b.deviation || byConditions(a, b));
  return others[0]?.conditions ?? [];
}

function overlapsOf(leaves: Leaves, moves: readonly (readonly Condition[])[]): Float64Array {
  const { frame, deviations } = leaves;
  const overlaps = new Float64Array(frame.parts.length);
  for (const conditions of moves) {
    const size = Math.abs(sumOf(leaves, conditions).deviation);
    const isMet = matcherOf(frame, conditions);
    const sums = frame.dimensions.map(() => new Map<string | null, number>());
    for (const [place, leaf] of frame.leaves.entries()) {
      if (!isMet(leaf)) continue;
      for (const [at, map] of sums.entries()) {
        const value = leaf[at] ?? null;
        map.set(value, (map.get(value) ?? 0) + (deviations[place] ?? 0));
      }
    }
    for (const [at, { dimension, condition }] of frame.parts.entries()) {
      const share = size === 0 ? 0 : Math.abs(sums[dimension]?.get(condition.value) ?? 0) / size;
      overlaps[at] = Math.max(overlaps[at] ?? 0, share);
    }
  }
  return overlaps;
}
