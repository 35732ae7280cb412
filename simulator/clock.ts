import { DAY_MS, HOUR_MS, dayOf } from './days.ts';

export interface ClockChange {
  now?: string | number | Date | undefined;
  advanceDays?: number | undefined;
  advanceHours?: number | undefined;
  ticking?: boolean | undefined;
}

export interface ClockState {
  now: string;
  today: string;
  ticking: boolean;
}

/** The simulator's own time: the real one, or one that stands still and is moved by hand. */
export class Clock {
  #baseMs: number;
  #sinceMs = Date.now();
  #ticking: boolean;

  constructor(now: string | number | Date | undefined, ticking: boolean) {
    this.#baseMs = now === undefined ? this.#sinceMs : instant(now);
    this.#ticking = ticking;
  }

  nowMs(): number {
    return this.#ticking ? this.#baseMs + (Date.now() - this.#sinceMs) : this.#baseMs;
  }

  today(): number {
    return dayOf(this.nowMs());
  }

  /** Hours of today that have begun, 1 to 24. */
  hoursBegun(): number {
    return Math.floor((this.nowMs() % DAY_MS) / HOUR_MS) + 1;
  }

  change(change: ClockChange): ClockState {
    const from = change.now === undefined ? this.nowMs() : instant(change.now);
    this.#baseMs = from + (change.advanceDays ?? 0) * DAY_MS + (change.advanceHours ?? 0) * HOUR_MS;
    this.#sinceMs = Date.now();
    this.#ticking = change.ticking ?? this.#ticking;
    return this.state();
  }

  state(): ClockState {
    const now = new Date(this.nowMs()).toISOString();
    return { now, today: now.slice(0, 10), ticking: this.#ticking };
  }
}

function instant(value: string | number | Date): number {
  const ms = new Date(value).getTime();
  if (Number.isNaN(ms)) throw new RangeError(`not an instant: ${JSON.stringify(value)}`);
  return ms;
}
