import type { Bar, Level } from './model.ts';
import type { Ticks } from './ticks.ts';

/** Pixels left of the bars, for the amounts of the axis. */
export const LEFT = 48;
/** Pixels below the bars, for their labels. */
export const BOTTOM = 22;
/** Pixels above the bars, for the mark of a restated one. */
export const TOP = 12;

/** Where bars are drawn. */
export interface Room {
  /** Pixels from one bar to the next. */
  readonly step: number;
  readonly height: number;
  readonly ticks: Ticks;
}

/** The height of a value in pixels from the top. */
export function yOf(value: number, { ticks, height }: Pick<Room, 'ticks' | 'height'>): number {
  return TOP + ((ticks.max - value) / (ticks.max - ticks.min)) * (height - TOP - BOTTOM);
}

/** Pixels from the line of one label of a level to the next. */
const LABEL_HEIGHT = 13;

/** Where the labels of levels stand, in pixels from the top: above their lines, as far as none covers another or an axis. */
export function labelsOf(levels: readonly Level[], room: Pick<Room, 'ticks' | 'height'>): number[] {
  const lines = levels.map(({ value }) => yOf(Number(value), room) - 4);
  const places = lines.map((_, index) => index).sort((a, b) => (lines[a] ?? 0) - (lines[b] ?? 0));
  let free = TOP - 2;
  for (const place of places) {
    lines[place] = Math.max(lines[place] ?? 0, free);
    free = lines[place] + LABEL_HEIGHT;
  }
  free = room.height - BOTTOM - 4;
  for (const place of places.reverse()) {
    lines[place] = Math.min(lines[place] ?? 0, free);
    free = lines[place] - LABEL_HEIGHT;
  }
  return lines;
}

/** Pixels that a bar is wide at most: one alone is no wall. */
const WIDEST = 120;

/** The left edge of a bar and its width, without the gap to the next one. */
export function columnOf(index: number, { step }: Pick<Room, 'step'>): { x: number; width: number } {
  const gap = step > WIDEST ? step - WIDEST : step > 12 ? step * 0.24 : step > 4 ? 2 : 0.5;
  return { x: LEFT + index * step + gap / 2, width: Math.max(1, step - gap) };
}

/** Pixels below which a part of a bar cannot be seen. */
const SEEN = 0.3;

/**
 * Where each series of a bar lies: positive ones upwards from zero, negative ones downwards. Without those that nobody can
 * see, since a year has thousands of them; but every bar keeps its largest.
 */
export function rectsOf(bar: Bar, room: Room): { series: number; y: number; height: number }[] {
  const numbers = bar.values.map(Number);
  const largest = Math.max(...numbers.map(Math.abs));
  let [up, down] = [0, 0];
  return numbers.flatMap((value, series) => {
    const from = value > 0 ? up : down;
    if (value > 0) up += value;
    else down += value;
    const [a, b] = [yOf(from, room), yOf(from + value, room)];
    const height = Math.abs(a - b);
    const isSeen = height >= SEEN || Math.abs(value) === largest;
    return value !== 0 && isSeen ? [{ series, y: Math.min(a, b), height: Math.max(0.5, height) }] : [];
  });
}

/** How far the values of a bar and its band reach below and above zero. */
export function extentOf({ values, band }: Pick<Bar, 'values' | 'band'>): [low: number, high: number] {
  const numbers = values.map(Number);
  const total = (keep: (value: number) => boolean): number => numbers.filter(keep).reduce((a, b) => a + b, 0);
  return [
    Math.min(
      total((value) => value < 0),
      Number(band?.low ?? 0),
    ),
    Math.max(
      total((value) => value > 0),
      Number(band?.high ?? 0),
    ),
  ];
}

/** The class with the colour of a series. */
export function fillOf(series: number, others: number | null): string {
  return series === others || series > 5 ? 'fill-other' : `fill-${series}`;
}
