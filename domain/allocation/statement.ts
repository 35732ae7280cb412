/** Whether a statement counts, or its month was opened again. */
export const STATEMENT_STATES = ['closed', 'reopened'] as const;
/** One of {@link STATEMENT_STATES}. */
export type StatementState = (typeof STATEMENT_STATES)[number];
