/** The views that anybody may build on, as docs/sql.md describes them. A reader's role may read these and nothing else. */
export const PUBLIC_VIEWS = [
  'costs',
  'daily_costs',
  'usage',
  'unit_costs',
  'coverage',
  'restated_days',
  'allocated_costs',
  'budget_status',
  'monthly_forecasts',
] as const;

/** Postgres cuts longer names. */
const NAME_LENGTH = 63;
/** Words that stand for roles, or for nobody, where a statement names one. */
const RESERVED: readonly string[] = ['public', 'none', 'current_role', 'current_user', 'session_user', 'user'];

/** What is wrong with the name of a reader's role, as the end of a sentence; null if nothing is. */
export function problemWithReaderName(name: string): string | null {
  if (name.length > NAME_LENGTH) return `is longer than ${NAME_LENGTH} characters`;
  if (name.startsWith('pg_')) return 'begins with pg_, as the roles of Postgres itself do';
  if (RESERVED.includes(name)) return 'is a word that Postgres reserves';
  if (!/^[a-z][a-z0-9_]*$/.test(name)) {
    return 'must begin with a lower-case letter, and have only lower-case letters, digits and _';
  }
  return null;
}
