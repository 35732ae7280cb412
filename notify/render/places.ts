/** Where a notice leads to, and when it was decided. */
export interface Places {
  /** The console, as an origin. */
  readonly publicUrl: string;
  readonly unsubscribeUrl: string | null;
  readonly atMs: number;
}

/** An instant as people read it, such as `30 November 2026, 10:24 UTC`. */
export function instant(atMs: number): string {
  const at = new Date(atMs);
  const month = MONTHS[at.getUTCMonth()] ?? '';
  return `${at.getUTCDate()} ${month} ${at.getUTCFullYear()}, ${at.toISOString().slice(11, 16)} UTC`;
}

const MONTHS = 'January February March April May June July August September October November December'.split(' ');
