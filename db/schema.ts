// Every table, for Drizzle's generator of migrations and for statements that join several aggregates.
export {
  allocationVersions,
  statementConnections,
  statementDays,
  statementLines,
  statementSeries,
  statementShares,
  statementWorkspaces,
  statements,
} from './allocation/tables.ts';
export { anomalyAssessments, anomalySettings, incidentFeedback, incidents } from './anomalies/tables.ts';
export { assessState, budgetAlerts, budgetChannels, budgetThresholds, budgets, forecasts } from './budgets/tables.ts';
export { connections, events, workspaceNames, workspaces, workspaceTags } from './connections/tables.ts';
export { deploymentEvents } from './deployment/tables.ts';
export { keySteps, keys } from './keys/tables.ts';
export {
  costCells,
  costLines,
  costRollup,
  costSeries,
  days,
  readAttempts,
  restatements,
  syncs,
  usageLines,
  usageSeries,
} from './ledger/tables.ts';
export { channelAddresses, channels, deliveries, notices } from './notices/tables.ts';
export { reports } from './reports/tables.ts';
export { links, sessions } from './sessions/tables.ts';
export { tokens } from './tokens/tables.ts';
