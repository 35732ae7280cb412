/** Seconds as text. */
export const s = (seconds: number, digits = 2): string => `${seconds.toFixed(digits)} s`;
/** Megabytes as text. */
export const mb = (megabytes: number): string => `${Math.round(megabytes)} MB`;
/** A count with separators between thousands. */
export const number = (value: number): string => value.toLocaleString('en-US');
/** A ratio as text. */
export const times = (ratio: number): string => `${ratio.toFixed(2)} ×`;

/** A Markdown table. */
export function table(columns: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [row(columns), row(columns.map(() => '---')), ...rows.map(row)];
}
