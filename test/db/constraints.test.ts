import { randomUUID } from 'node:crypto';
import { sql, type SQL } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { closeMonth } from '../../db/allocation/close.ts';
import { giveFeedback } from '../../db/anomalies/incidents.ts';
import { setSensitivity } from '../../db/anomalies/settings.ts';
import { storeAllocation } from '../../db/allocation/versions.ts';
import { assess } from '../../db/budgets/assess.ts';
import { createBudget } from '../../db/budgets/budgets.ts';
import { keepForecast } from '../../db/budgets/forecasts.ts';
import { addEvent } from '../../db/connections/events.ts';
import { saveWorkspaces } from '../../db/connections/workspaces.ts';
import { addDeploymentEvent } from '../../db/deployment/events.ts';
import { openSync } from '../../db/ledger/syncs.ts';
import { createChannel } from '../../db/notices/channels.ts';
import { writeNotice } from '../../db/notices/outbox.ts';
import { createLink } from '../../db/sessions/links.ts';
import { beginSession } from '../../db/sessions/sessions.ts';
import { createToken } from '../../db/tokens/tokens.ts';
import { addDays } from '../../domain/days.ts';
import { toDecimal } from '../../domain/money.ts';
import { daysOfMonth, monthOf } from '../../domain/months.ts';
import { createReport } from '../../db/reports/reports.ts';
import { EVERYTHING } from '../../domain/notices/subscriptions.ts';
import { storeIncident } from '../support/incident.ts';
import { rows } from '../support/rows.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';
import { DAY, CREATOR, RING, commitCost, connect, cost } from './support.ts';

let database: TestDatabase;
/** A connection with an active key, a day, a sync, a restatement, events, a tagged workspace, a token, a link, a session, a closed month, two channels, a report, a notice with its deliveries, and an incident with feedback: rows that are as they should be. */
let id: string;
beforeAll(async () => {
  database = await testDatabase();
  const { db } = database;
  ({ id } = await connect(db, { organization: randomUUID() }));
  await commitCost(db, id, [cost('1')], { day: DAY });
  await commitCost(db, id, [cost('2')], { day: DAY });
  await openSync(db, { connectionId: id, n: 1, runId: 'run' }, { kind: 'daily', from: DAY, to: DAY, everyDay: false });
  await addEvent(db, id, { type: 'created', message: 'Here.' });
  await saveWorkspaces(db, id, [
    { id: 'w', name: 'W', createdAt: null, archivedAt: null, tags: new Map([['team', 'a']]), reported: {} },
  ]);
  await createToken(db, { name: 'Ada', role: 'admin', creator: CREATOR });
  await createLink(db, CREATOR.name);
  await beginSession(db, { bootstrapTag: Buffer.alloc(32) });
  const pool = { name: 'p', split: { kind: 'even' }, among: [{ center: 'a' }] } as const;
  await storeAllocation(
    db,
    { from: monthOf(DAY), rules: [{ name: 'r', where: [], to: { pool: 'p' } }], pools: [pool] },
    'Ada',
  );
  await closeMonth(db, {
    month: monthOf(DAY),
    today: addDays(DAY, 40),
    actor: 'Ada',
    override: 'A test.',
    invoiceAmount: null,
  });
  await addDeploymentEvent(db, { type: 'token_created', actor: 'Ada', message: 'Here.' });
  const channel = { subscriptions: EVERYTHING, actor: 'Ada' };
  await createChannel(db, RING, { ...channel, name: 'Mail', target: { kind: 'email', to: ['a@example.com'] } });
  await createChannel(db, RING, { ...channel, name: 'Chat', target: { kind: 'slack', url: 'https://example.com/' } });
  await createReport(
    db,
    { name: 'Costs', every: 'daily', hour: 8, timeZone: 'UTC', query: {}, channelIds: null },
    'Ada',
  );
  await writeNotice(db, {
    kind: 'test',
    dedupeKey: 'test:1',
    connectionId: null,
    data: { channel: 'Mail', asked_by: 'Ada' },
  });
  const incidentId = await storeIncident(db, id);
  await giveFeedback(db, incidentId, { feedback: 'expected', note: 'A test.', actor: 'Ada' });
  await setSensitivity(db, 'high', 'Ada');
  await seedBudget();
});

/** A budget with an alert, a forecast and an assessment. */
async function seedBudget(): Promise<void> {
  const { db } = database;
  const one = toDecimal('1');
  const budget = {
    name: 'All',
    scope: { filters: [] },
    period: 'month',
    amount: one,
    thresholds: [{ of: 'actual', percent: toDecimal('50'), usd: null }],
    channels: [],
    createdOn: DAY,
  } as const;
  const budgetId = await createBudget(db, budget, 'Ada');
  await assess(db, DAY);
  const outlook = { method: 'mean', basis: DAY, mean: one, low: one, high: one, days: [] };
  await keepForecast(db, { budgetId }, daysOfMonth(monthOf(DAY)), DAY, { days: [], outlook });
}

afterAll(() => database.close());

/** Changes every row of a table; the constraint that refuses it, or null. */
async function refusing(table: string, change: SQL): Promise<string | null> {
  const error: unknown = await database.db
    .transaction(async (tx) => {
      const changed = await rows(tx, sql`update ${sql.identifier(table)} set ${change} returning 1 as one`);
      expect([table, changed.length > 0]).toEqual([table, true]);
      tx.rollback();
    })
    .catch((reason: unknown) => reason);
  const cause: unknown = error instanceof Error ? error.cause : null;
  return cause instanceof Error && 'constraint_name' in cause ? String(cause.constraint_name) : null;
}

const failed = sql`failure = '{"code": "internal"}', failed_at = now()`;

const IMPOSSIBLE: readonly (readonly [table: string, what: string, constraint: string, change: SQL])[] = [
  ['connections', 'has no name', 'connections_name', sql`name = ''`],
  ['connections', 'has a status that no code knows', 'connections_status', sql`status = 'lost', ended_at = now()`],
  ['connections', 'ended and is live', 'connections_ended', sql`ended_at = now()`],
  ['connections', 'is disconnected and has not ended', 'connections_ended', sql`status = 'disconnected'`],
  ['connections', 'is purged and has not ended', 'connections_purged', sql`purged_at = now()`],
  ['connections', 'has an organization without a name', 'connections_organization', sql`organization_name = null`],
  ['connections', 'begins after its backfill ends', 'connections_backfill', sql`began = backfill_to + 1`],
  ['connections', 'failed at no instant', 'connections_failure', sql`failure = '{"code": "internal"}'`],
  ['connections', 'has a key that failed, and no failure', 'connections_failure_key', sql`failure_key_id = id`],
  ['connections', 'has an answer about a key that did not fail', 'connections_answered', sql`answered_at = now()`],
  ['connections', 'rejected a key without an answer', 'connections_rejected', sql`${failed}, rejected_at = now()`],
  ['connections', 'counts fewer than no failures', 'connections_counts', sql`failure_count = -1`],
  ['connections', 'numbers syncs below zero', 'connections_counts', sql`last_sync = -1`],
  ['keys', 'shows more of itself than a hint', 'keys_hint', sql`hint = '12345'`],
  ['keys', 'has no hint', 'keys_hint', sql`hint = ''`],
  ['keys', 'is active and has an end', 'keys_ended', sql`ended_at = now()`],
  [
    'keys',
    'is active and was never activated',
    'keys_served',
    sql`(activated_at, activated_no, activated_sync) = (null, null, null)`,
  ],
  ['keys', 'was activated by half', 'keys_activated', sql`activated_no = null`],
  [
    'keys',
    'was refused for no reason',
    'keys_refused',
    sql`state = 'refused', sealed = null, encryption_key_id = null, ended_at = now()`,
  ],
  [
    'keys',
    'was overtaken by no key',
    'keys_overtaken',
    sql`state = 'destroyed', end_reason = 'overtaken', sealed = null, encryption_key_id = null, ended_at = now()`,
  ],
  ['keys', 'has a reason for its end and has not ended', 'keys_why_ended', sql`end_reason = 'unused'`],
  ['keys', 'was tried fewer than no times', 'keys_counts', sql`tries = -1, tried_at = now()`],
  ['keys', 'was tried at no instant', 'keys_tried', sql`tries = 1`],
  ['keys', 'has a state that no code knows', 'keys_state', sql`state = 'lost', ended_at = now()`],
  [
    'keys',
    'is destroyed and has a ciphertext',
    'keys_sealed',
    sql`state = 'destroyed', end_reason = 'unused', ended_at = now()`,
  ],
  ['keys', 'is sealed under no encryption key', 'keys_encryption_key', sql`encryption_key_id = null`],
  ['keys', 'was requested at no step', 'keys_requested', sql`requested_no = null`],
  ['keys', 'ended for a reason that no code knows', 'keys_end_reasons', sql`end_reason = 'lost'`],
  ['days', 'has a state that no code knows', 'days_state', sql`state = 'lost'`],
  ['days', 'has a report that no code knows', 'days_report', sql`report = 'audit'`],
  ['days', 'is final and was not reconciled', 'days_final', sql`state = 'final'`],
  [
    'days',
    'is final and was last read before it was over',
    'days_final',
    sql`state = 'final', reconciled = true, read_on = day`,
  ],
  ['days', 'is reconciled and flagged', 'days_flag', sql`reconciled = true, disagrees_with = 1`],
  ['days', 'has a total that is no number', 'days_finite', sql`total = 'NaN'`],
  ['days', 'disagrees with a total that is no number', 'days_finite', sql`disagrees_with = 'Infinity'`],
  ['days', 'has a total and no lines', 'days_empty', sql`lines = 0`],
  ['days', 'has fewer than no lines', 'days_lines', sql`lines = -1, total = 0`],
  ['days', 'was read by no attempt', 'days_numbers', sql`attempt = 0`],
  ['days', 'was read by no sync', 'days_numbers', sql`sync = 0`],
  ['days', 'was written by no sync', 'days_numbers', sql`written_by = 0`],
  ['days', 'has half a digest', 'days_digest', sql`digest = substring(digest for 16)`],
  ['days', 'was last read before it began', 'days_read_on', sql`read_on = day - 1`],
  ['restatements', 'has a report that no code knows', 'restatements_report', sql`report = 'audit'`],
  ['restatements', 'changed a total to no number', 'restatements_finite', sql`after = 'NaN'`],
  ['restatements', 'added fewer than no lines', 'restatements_counts', sql`lines_added = -1`],
  ['restatements', 'removed fewer than no lines', 'restatements_counts', sql`lines_removed = -1`],
  ['restatements', 'changed fewer than no lines', 'restatements_counts', sql`lines_changed = -1`],
  ['restatements', 'was found by no sync', 'restatements_sync', sql`sync = 0`],
  ['syncs', 'has no number', 'syncs_n', sql`n = 0`],
  ['syncs', 'has no run', 'syncs_run', sql`run_id = ''`],
  ['syncs', 'has a kind that no code knows', 'syncs_kind', sql`kind = 'hourly'`],
  ['syncs', 'has a state that no code knows', 'syncs_state', sql`state = 'lost', ended_at = now()`],
  ['syncs', 'begins after its last day', 'syncs_window', sql`from_day = to_day + 1`],
  ['syncs', 'sent fewer than no requests', 'syncs_counts', sql`requests = -1`],
  ['syncs', 'read fewer than no bytes', 'syncs_counts', sql`bytes = -1`],
  ['syncs', 'read fewer than no days', 'syncs_days', sql`days_read = -1, days_changed = -1`],
  ['syncs', 'changed more days than it read', 'syncs_days', sql`days_changed = days_read + 1`],
  ['syncs', 'runs and has an end', 'syncs_ended', sql`ended_at = now()`],
  ['syncs', 'failed for no reason', 'syncs_failure', sql`state = 'failed', ended_at = now()`],
  ['events', 'has a type that no code knows', 'events_type', sql`type = 'lost'`],
  ['events', 'has no actor', 'events_actor', sql`actor = ''`],
  ['events', 'has no message', 'events_message', sql`message = ''`],
  ['events', 'has a message without end', 'events_message', sql`message = repeat('x', 501)`],
  ['deployment_events', 'has a type that no code knows', 'deployment_events_type', sql`type = 'lost'`],
  ['deployment_events', 'has no actor', 'deployment_events_actor', sql`actor = ''`],
  ['deployment_events', 'has no message', 'deployment_events_message', sql`message = ''`],
  ['tokens', 'has no name', 'tokens_name', sql`name = ''`],
  ['tokens', 'has a role that no code knows', 'tokens_role', sql`role = 'owner'`],
  ['tokens', 'is stored as something else than a hash', 'tokens_hash', sql`hash = 'meterline_'::bytea`],
  ['tokens', 'was created by nobody', 'tokens_created_by', sql`created_by = ''`],
  ['tokens', 'expired before it was created', 'tokens_expiry', sql`expires_at = created_at`],
  ['tokens', 'was revoked by nobody', 'tokens_revoked', sql`revoked_at = now()`],
  ['links', 'is stored as something else than a hash', 'links_hash', sql`hash = 'meterline-link_'::bytea`],
  [
    'connections',
    'has ended and is in trouble',
    'connections_troubled',
    sql`status = 'disconnected', ended_at = now(), troubled_at = now()`,
  ],
  ['channels', 'has no name', 'channels_name', sql`name = ''`],
  ['channels', 'has a kind that no code knows', 'channels_kind', sql`kind = 'fax'`],
  ['channels', 'is deleted and has a secret', 'channels_sealed', sql`deleted_at = now()`],
  ['channels', 'has a secret of no encryption key', 'channels_encryption_key', sql`encryption_key_id = null`],
  ['channels', 'is disabled for no reason', 'channels_disabled', sql`disabled_at = now()`],
  ['channels', 'has a turn without end', 'channels_turn', sql`turn = id`],
  ['reports', 'has no name', 'reports_name', sql`name = ''`],
  ['reports', 'is told at times that no code knows', 'reports_every', sql`every = 'hourly'`],
  ['reports', 'is told at an hour that clock changes skip', 'reports_hour', sql`hour = 3`],
  ['reports', 'is told after the day', 'reports_hour', sql`hour = 24`],
  ['reports', 'has no time zone', 'reports_time_zone', sql`time_zone = ''`],
  ['reports', 'goes to an empty list of channels', 'reports_channels', sql`channel_ids = '{}'`],
  ['reports', 'was made by nobody', 'reports_created_by', sql`created_by = ''`],
  ['reports', 'told a period at no instant', 'reports_last', sql`(last_from, last_to) = (${DAY}::date, ${DAY}::date)`],
  [
    'reports',
    'told a period that ends before it begins',
    'reports_last_period',
    sql`(last_from, last_to, last_at) = (${DAY}::date, ${DAY}::date - 1, now())`,
  ],
  [
    'reports',
    'has a notice and told nothing',
    'reports_last_notice',
    sql`last_notice_id = (select id from notices limit 1)`,
  ],
  ['channel_addresses', 'is empty', 'channel_addresses_address', sql`address = ''`],
  ['notices', 'has a kind that no code knows', 'notices_kind', sql`kind = 'news'`],
  ['notices', 'has a severity that no code knows', 'notices_severity', sql`severity = 'loud'`],
  ['notices', 'could be told twice', 'notices_dedupe_key', sql`dedupe_key = ''`],
  ['incidents', 'has a kind that no code knows', 'incidents_kind', sql`kind = 'lost'`],
  ['incidents', 'has a severity that no code knows', 'incidents_severity', sql`severity = 'lost'`],
  [
    'incidents',
    'has a state that no code knows',
    'incidents_state',
    sql`state = 'lost', end_reason = 'back', ended_at = opened_at`,
  ],
  [
    'incidents',
    'ended for a reason that no code knows',
    'incidents_end',
    sql`state = 'closed', end_reason = 'lost', ended_at = opened_at`,
  ],
  ['incidents', 'is over for no reason', 'incidents_ended', sql`state = 'closed'`],
  ['incidents', 'is open and has ended', 'incidents_ended', sql`end_reason = 'back', ended_at = opened_at`],
  ['incidents', 'is over at no instant', 'incidents_ended', sql`state = 'closed', end_reason = 'back'`],
  ['incidents', 'ends before it begins', 'incidents_days', sql`last_day = first_day - 1`],
  ['incidents', 'was found before it began', 'incidents_days', sql`detected_on = first_day - 1`],
  ['incidents', 'has an excess that does not add up', 'incidents_excess', sql`excess = excess + 1e-12`],
  ['incidents', 'has a change that does not add up', 'incidents_change', sql`mix = mix + 1e-12`],
  ['incidents', 'has an amount that is no number', 'incidents_finite', sql`observed = 'Infinity', excess = 'Infinity'`],
  ['incidents', 'compares fewer than no days', 'incidents_counts', sql`compared_days = -1`],
  ['incidents', 'was never opened', 'incidents_counts', sql`openings = 0`],
  [
    'incidents',
    'ended before it opened',
    'incidents_order',
    sql`state = 'closed', end_reason = 'back', ended_at = opened_at - interval '1 second'`,
  ],
  ['incident_feedback', 'says what no code knows', 'incident_feedback_feedback', sql`feedback = 'maybe'`],
  ['incident_feedback', 'has an empty note', 'incident_feedback_note', sql`note = ''`],
  ['incident_feedback', 'was given by nobody', 'incident_feedback_actor', sql`actor = ''`],
  ['anomaly_settings', 'are no settings', 'anomaly_settings_one', sql`is_only = false`],
  ['anomaly_settings', 'are as sensitive as no code knows', 'anomaly_settings_sensitivity', sql`sensitivity = 'none'`],
  ['notices', 'ended twice', 'notices_end', sql`closed_at = opened_at, withdrawn_at = opened_at`],
  ['notices', 'closed before it opened', 'notices_order', sql`closed_at = opened_at - interval '1 second'`],
  ['deliveries', 'has an occasion that no code knows', 'deliveries_occasion', sql`occasion = 'birthday'`],
  ['deliveries', 'has a state that no code knows', 'deliveries_state', sql`state = 'lost', ended_at = now()`],
  ['deliveries', 'goes nowhere', 'deliveries_address', sql`address = ''`],
  ['deliveries', 'was tried less than never', 'deliveries_counts', sql`tries = -1`],
  ['deliveries', 'has ended and waits', 'deliveries_ended', sql`ended_at = now()`],
  [
    'deliveries',
    'has failed and is tried again',
    'deliveries_next_try',
    sql`state = 'failed', ended_at = now(), words = 'no', next_try_at = now()`,
  ],
  ['deliveries', 'leaves without a try', 'deliveries_sending', sql`state = 'sending'`],
  ['deliveries', 'has failed without a word', 'deliveries_words', sql`state = 'failed', ended_at = now()`],
  ['deliveries', 'has words without end', 'deliveries_words_length', sql`words = repeat('x', 501)`],
  ['links', 'was created by nobody', 'links_created_by', sql`created_by = ''`],
  ['links', 'expired before it was created', 'links_expiry', sql`expires_at = created_at`],
  [
    'links',
    'works for longer than five minutes',
    'links_expiry',
    sql`expires_at = created_at + interval '301 seconds'`,
  ],
  ['sessions', 'is stored as something else than a hash', 'sessions_hash', sql`hash = 'meterline-session_'::bytea`],
  [
    'sessions',
    'began with two tokens',
    'sessions_begun_with',
    sql`token_id = (select id from tokens limit 1), bootstrap_tag = hash`,
  ],
  ['sessions', 'knows its token by something else than a tag', 'sessions_bootstrap_tag', sql`bootstrap_tag = 'x'`],
  ['sessions', 'was seen before it began', 'sessions_last_seen', sql`last_seen_at = created_at - interval '1 second'`],
  ['sessions', 'ended before it began', 'sessions_expiry', sql`expires_at = created_at`],
  ['sessions', 'lasts longer than a week', 'sessions_expiry', sql`expires_at = created_at + interval '169 hours'`],
  ['workspace_tags', 'has no key', 'workspace_tags_key', sql`key = ''`],
  ['workspace_tags', 'has a key without end', 'workspace_tags_key', sql`key = repeat('x', 201)`],
  ['workspace_tags', 'has no value', 'workspace_tags_value', sql`value = ''`],
  ['workspace_tags', 'has a value without end', 'workspace_tags_value', sql`value = repeat('x', 501)`],
  ['workspace_tags', 'belongs to no workspace', 'workspace_tags_workspace', sql`workspace_id = 'lost'`],
  ['workspace_names', 'is empty', 'workspace_names_name', sql`name = ''`],
  ['workspace_names', 'is a name without end', 'workspace_names_name', sql`name = repeat('x', 501)`],
  ['workspace_names', 'belongs to no workspace', 'workspace_names_workspace', sql`workspace_id = 'lost'`],
  ['cost_lines', 'has an amount that is no number', 'cost_lines_finite', sql`amount = 'NaN'`],
  ['cost_rollup', 'has an amount that is no number', 'cost_rollup_finite', sql`amount = 'NaN'`],
  ['cost_cells', 'has an amount that is no number', 'cost_cells_finite', sql`other = 'NaN'`],
  ['cost_cells', 'has tokens whose amount is no number', 'cost_cells_finite', sql`cache_creation_1h = 'Infinity'`],
  ['allocation_versions', 'has no number', 'allocation_versions_version', sql`version = 0`],
  ['allocation_versions', 'begins within a month', 'allocation_versions_from', sql`from_day = '2026-01-02'`],
  ['allocation_versions', 'was stored by nobody', 'allocation_versions_actor', sql`actor = ''`],
  ['statements', 'is of a part of a month', 'statements_month', sql`month = '2026-01-02'`],
  ['statements', 'has no revision', 'statements_revision_number', sql`revision = 0`],
  ['statements', 'has a state that no code knows', 'statements_state', sql`state = 'lost'`],
  ['statements', 'has a total that is no number', 'statements_finite', sql`total = 'NaN'`],
  ['statements', 'has fewer lines than none', 'statements_counts', sql`lines = -1`],
  ['statements', 'says no reason for missing days', 'statements_override', sql`override = null, missing_days = 1`],
  ['statements', 'has another hash', 'statements_hash', sql`hash = 'x'`],
  ['statements', 'is reopened by nobody', 'statements_reopened', sql`state = 'reopened'`],
  ['statements', 'was closed by nobody', 'statements_actor', sql`closed_by = ''`],
  ['statement_series', 'goes to two places', 'statement_series_target', sql`rule = 0, center = 'a', pool = 'b'`],
  ['statement_lines', 'has an amount that is no number', 'statement_lines_finite', sql`amount = 'NaN'`],
  ['statement_shares', 'is more than all', 'statement_shares_fraction', sql`fraction = 2`],
  ['notices', 'is withdrawn for no reason', 'notices_withdrawn', sql`withdrawn_at = opened_at, closed_at = null`],
  ['budgets', 'has no name', 'budgets_name', sql`name = ''`],
  ['budgets', 'recurs as no code knows', 'budgets_recurs', sql`recurs = 'week'`],
  ['budgets', 'recurs and has days', 'budgets_range', sql`from_day = '2026-01-01', to_day = '2026-01-02'`],
  [
    'budgets',
    'ends before it begins',
    'budgets_order',
    sql`recurs = 'fixed', from_day = '2026-01-02', to_day = '2026-01-01'`,
  ],
  ['budgets', 'allows nothing', 'budgets_amount', sql`amount = 0`],
  ['budget_thresholds', 'has no place', 'budget_thresholds_place', sql`place = -1`],
  ['budget_thresholds', 'is of what no code knows', 'budget_thresholds_of', sql`"of" = 'guess'`],
  ['budget_thresholds', 'has a percentage and dollars', 'budget_thresholds_value', sql`usd = 1`],
  ['budget_thresholds', 'has neither', 'budget_thresholds_value', sql`percent = null`],
  ['budget_thresholds', 'is zero', 'budget_thresholds_value', sql`percent = 0`],
  ['budget_thresholds', 'is no number', 'budget_thresholds_value', sql`percent = 'NaN'`],
  ['budget_alerts', 'ends before it begins', 'budget_alerts_period', sql`to_day = from_day - 1`],
  ['budget_alerts', 'is of what no code knows', 'budget_alerts_of', sql`"of" = 'guess'`],
  ['budget_alerts', 'has a percentage and dollars', 'budget_alerts_value', sql`usd = 1`],
  ['budget_alerts', 'is reached by no number', 'budget_alerts_finite', sql`value = 'NaN'`],
  ['budget_alerts', 'was not reached', 'budget_alerts_reached', sql`value = threshold - 1`],
  ['budget_alerts', 'knows fewer than no days', 'budget_alerts_read_days', sql`read_days = -1`],
  ['budget_alerts', 'is actual and has a basis', 'budget_alerts_basis', sql`basis = 'x'`],
  [
    'budget_alerts',
    'is withdrawn before it fired',
    'budget_alerts_order',
    sql`withdrawn_at = fired_at - interval '1 s'`,
  ],
  ['forecasts', 'is of nothing', 'forecasts_owner', sql`budget_id = null`],
  ['forecasts', 'was made before its period', 'forecasts_period', sql`made_on = from_day - 1`],
  ['forecasts', 'has numbers and no method', 'forecasts_method', sql`method = null`],
  ['forecasts', 'lies outside of its band', 'forecasts_band', sql`low = mean + 1`],
  ['forecasts', 'is no number', 'forecasts_finite', sql`mean = 'NaN', high = 'NaN'`],
  ['forecasts', 'knows a spent amount that is no number', 'forecasts_spent', sql`spent = 'NaN'`],
  ['forecasts', 'was spent after its period', 'forecasts_spent_through', sql`spent_through = to_day + 1`],
  ['forecasts', 'shows less than it expects', 'forecasts_shown', sql`shown_mean = mean - 1`],
  ['forecasts', 'shows no number', 'forecasts_shown', sql`shown_mean = 'NaN'`],
  ['forecasts', 'has another error', 'forecasts_error', sql`actual = 1`],
  ['assess_state', 'is a second one', 'assess_state_one', sql`is_only = false`],
];

describe('whoever writes, Postgres refuses', () => {
  it.each(IMPOSSIBLE)('a row of %s that %s (%s)', async (table, _, constraint, change) => {
    expect(await refusing(table, change)).toBe(constraint);
  });
});

it('every check of the database is tried', async () => {
  const checks = await rows<{ name: string }>(
    database.db,
    sql`select conname as name from pg_constraint where contype = 'c' and connamespace = 'public'::regnamespace`,
  );
  const tried = new Set(IMPOSSIBLE.map(([, , constraint]) => constraint));
  expect(checks.map(({ name }) => name).filter((name) => !tried.has(name))).toEqual([]);
});
