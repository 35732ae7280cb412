import { DAY_MS, HOUR_MS, dayOf } from './days.ts';
import { ControlError } from './errors.ts';

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

/** The simulator's time. It runs with the real time, or stands still until somebody moves it. */
export class Clock {
  #baseMs: number;
  #sinceMs = Date.now();
  #isTicking: boolean;

  constructor(now: string | number | Date | undefined, isTicking: boolean) {
    this.#baseMs = now === undefined ? this.#sinceMs : toMs(now);
    this.#isTicking = isTicking;
  }

  nowMs(): number {
    return this.#isTicking ? this.#baseMs + (Date.now() - this.#sinceMs) : this.#baseMs;
  }

  /** Today's day number, see days.ts. */
  today(): number {
    return dayOf(this.nowMs());
  }

  /** How many hours of today have begun, 1 to 24. */
  hoursBegun(): number {
    return Math.floor((this.nowMs() % DAY_MS) / HOUR_MS) + 1;
  }

  /** Throws ControlError if `now` is not an instant. */
  change(change: ClockChange): ClockState {
    const fromMs = change.now === undefined ? this.nowMs() : toMs(change.now);
    this.#baseMs = fromMs + (change.advanceDays ?? 0) * DAY_MS + (change.advanceHours ?? 0) * HOUR_MS;
    this.#sinceMs = Date.now();
    this.#isTicking = change.ticking ?? this.#isTicking;
    return this.state();
  }

  state(): ClockState {
    const now = new Date(this.nowMs()).toISOString();
    return { now, today: now.slice(0, 10), ticking: this.#isTicking };
  }
}

function toMs(value: string | number | Date): number {
  const ms = new Date(value).getTime();
  if (Number.isNaN(ms)) throw new ControlError(`not an instant: ${JSON.stringify(value)}`);
  return ms;
}
