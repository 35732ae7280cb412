/** Whether a statement counts, or its month was opened again. */
export const STATEMENT_STATES = ['closed', 'reopened'] as const;
/** One of {@link STATEMENT_STATES}. */
export type StatementState = (typeof STATEMENT_STATES)[number];

/** How a month stands: it may still change, or it stays what it is. */
export const MONTH_STATES = ['open', 'closed'] as const;
/** One of {@link MONTH_STATES}. */
export type MonthState = (typeof MONTH_STATES)[number];
