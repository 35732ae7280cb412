import { z } from 'zod';
import {
  BudgetNameTakenError,
  changeBudget,
  createBudget,
  deleteBudget,
  listBudgets,
} from '../../db/budgets/budgets.ts';
import { newestConnections } from '../../db/connections/newest.ts';
import { lastAssessed } from '../../db/budgets/forecasts.ts';
import { readBudget, readForReplay } from '../../db/budgets/status.ts';
import { connectionsNamed } from '../../domain/spend/missed-connections.ts';
import { filtersOf } from '../../domain/budgets/budget.ts';
import { within } from '../../domain/budgets/state.ts';
import { addDays, daysBetween } from '../../domain/days.ts';
import { storedId, todayOf } from '../connections/lookups.ts';
import { decodeCursor, pageOf } from '../http/cursor.ts';
import { endpoint, type Deps } from '../http/endpoint.ts';
import { Problem, contradiction } from '../http/problems.ts';
import { nothing } from '../http/schemas.ts';
import { tellOrDefer } from '../temporal.ts';
import { budgetDocument, itemDocument, replayDocument } from './documents.ts';
import { channelsOf, periodGiven, scopeOf, thresholdsOf } from './given.ts';
import { budget, budgetChange, budgetList, budgetsQuery, newBudget, replay, replayed } from './schemas.ts';

const tag = 'Budgets';
const EVERYTHING = { filters: [] };
const REPLAYED_DAYS = 92;
const MAX_REPLAYED_DAYS = 366;

const create = endpoint({
  method: 'post',
  path: '/v1/budgets',
  tag,
  operation: 'createBudget',
  summary: 'Creates a budget, which is judged from now on',
  description:
    'Without `filters` and `cost_center`, all costs count. It is judged for the period that today lies in, and for later ones. A scope that matches nothing yet is taken; `matches` says so.',
  role: 'admin',
  query: nothing,
  body: newBudget,
  out: budget,
  statuses: { 201: 'The budget as it stands.' },
  problems: ['conflict'],
  handle: async ({ body, actor }, deps) => {
    const given = {
      name: body.name,
      scope: (await scopeOf(deps, body)) ?? EVERYTHING,
      period: periodGiven(deps, body.period),
      amount: body.amount,
      thresholds: thresholdsOf(body.thresholds),
      channels: await channelsOf(deps, body.channels ?? []),
      createdOn: todayOf(deps),
    };
    const id = await createBudget(deps.db, given, actor).catch(throwProblem);
    deps.log.info({ budget: id, actor }, 'a budget is created');
    await askToAssess(deps, id);
    return { status: 201, body: await shown(deps, id), location: `/v1/budgets/${id}` };
  },
});

const list = endpoint({
  method: 'get',
  path: '/v1/budgets',
  tag,
  operation: 'listBudgets',
  summary: 'Lists the budgets, newest first',
  query: budgetsQuery,
  body: nothing,
  out: budgetList,
  statuses: { 200: 'A page of budgets.' },
  problems: ['conflict'],
  handle: async ({ query: { limit, after } }, deps) => {
    const { db } = deps;
    const from = after === undefined ? null : decodeCursor(after, z.int());
    const { page, next } = pageOf(await listBudgets(db, { after: from, limit: limit + 1 }), limit, ({ no }) => no);
    const assessed = await lastAssessed(
      db,
      page.map(({ id }) => id),
    );
    const newest = await newestConnections(db, connectionsNamed(page.flatMap(({ scope }) => filtersOf(scope))));
    const today = todayOf(deps);
    const data = page.map((one) => itemDocument(one, assessed.get(one.id), newest, today));
    return { status: 200, body: { data, next } };
  },
});

const read = endpoint({
  method: 'get',
  path: '/v1/budgets/:id',
  tag,
  operation: 'getBudget',
  summary: 'Reads a budget: what is spent, what is expected, and which thresholds told',
  query: nothing,
  body: nothing,
  out: budget,
  statuses: { 200: 'The budget as it stands.' },
  problems: [],
  inTurn: true,
  handle: async ({ id }, deps) => ({ status: 200, body: await shown(deps, storedId(id)) }),
});

const change = endpoint({
  method: 'patch',
  path: '/v1/budgets/:id',
  tag,
  operation: 'changeBudget',
  summary: 'Changes a budget; what is not given stays',
  description:
    '`filters` and `cost_center` replace each other. The budget is judged anew: a threshold with another number is another one, what told already and is still true is not told again, and what is not true any more is withdrawn.',
  role: 'admin',
  query: nothing,
  body: budgetChange,
  out: budget,
  statuses: { 200: 'The budget as it stands.' },
  problems: ['conflict'],
  handle: async ({ id: given, body, actor }, deps) => {
    const id = storedId(given);
    const scope = await scopeOf(deps, body);
    const changed = {
      ...(body.name === undefined ? {} : { name: body.name }),
      ...(scope === undefined ? {} : { scope }),
      ...(body.period === undefined ? {} : { period: periodGiven(deps, body.period) }),
      ...(body.amount === undefined ? {} : { amount: body.amount }),
      ...(body.thresholds === undefined ? {} : { thresholds: thresholdsOf(body.thresholds) }),
      ...(body.channels === undefined ? {} : { channels: await channelsOf(deps, body.channels) }),
    };
    if (!(await changeBudget(deps.db, id, changed, actor).catch(throwProblem))) throw new Problem('not_found');
    deps.log.info({ budget: id, actor }, 'a budget is changed');
    await askToAssess(deps, id);
    return { status: 200, body: await shown(deps, id) };
  },
});

const remove = endpoint({
  method: 'delete',
  path: '/v1/budgets/:id',
  tag,
  operation: 'deleteBudget',
  summary: 'Deletes a budget; its open notices close',
  role: 'admin',
  query: nothing,
  body: nothing,
  out: nothing,
  statuses: { 204: 'The budget is deleted.' },
  problems: [],
  handle: async ({ id: given, actor }, deps) => {
    const id = storedId(given);
    if (!(await deleteBudget(deps.db, id, actor))) throw new Problem('not_found');
    deps.log.info({ budget: id, actor }, 'a budget is deleted');
    await askToAssess(deps, id);
    return { status: 204, body: {} };
  },
});

const replayIt = endpoint({
  method: 'post',
  path: '/v1/budgets/replay',
  tag,
  operation: 'replayBudget',
  summary: 'Says what a budget would have told over the stored past; stores nothing and tells nobody',
  description:
    'Each settled day is taken for the last one that was known, with the numbers that it has now. So what was corrected since counts as if it had been right at once.',
  onlyReads: true,
  inTurn: true,
  query: nothing,
  body: replayed,
  out: replay,
  statuses: { 200: 'What it would have told, oldest first.' },
  problems: ['conflict'],
  handle: async ({ body }, deps) => {
    const today = todayOf(deps);
    const range = { from: body.from ?? addDays(today, -REPLAYED_DAYS), to: addDays(today, -1) };
    if (range.from > range.to) throw contradiction('body.from', 'must lie before today');
    if (daysBetween(range.from, today) > MAX_REPLAYED_DAYS) {
      throw contradiction('body.from', `must not be more than ${MAX_REPLAYED_DAYS} days ago`);
    }
    const given = {
      scope: (await scopeOf(deps, body)) ?? EVERYTHING,
      period: periodGiven(deps, body.period, true),
      amount: body.amount,
      thresholds: thresholdsOf(body.thresholds),
    };
    const days = await readForReplay(deps.db, given, range);
    const settledDays = within(days, range).filter(({ isSettled }) => isSettled).length;
    const alerts = await deps.forecasting.replay({ budget: given, days, range });
    return { status: 200, body: replayDocument({ range, settledDays, alerts }) };
  },
});

async function shown(deps: Deps, id: string): Promise<z.input<typeof budget>> {
  const today = todayOf(deps);
  const status = await readBudget(deps.db, id, today);
  if (status === null) throw new Problem('not_found');
  const newest = await newestConnections(deps.db, connectionsNamed(filtersOf(status.budget.scope)));
  return budgetDocument(status, newest, today);
}

/** Has the budget judged soon. While Temporal is down, a worker asks for it later. */
async function askToAssess({ log, temporal }: Deps, id: string): Promise<void> {
  await tellOrDefer(log, { budget: id }, () => temporal.assess());
}

function throwProblem(error: unknown): never {
  if (!(error instanceof BudgetNameTakenError)) throw error;
  const errors = [{ path: 'body.name', message: 'is the name of another budget' }];
  throw new Problem('conflict', { detail: error.message, errors });
}

/** How much may be spent, and who is told when. */
export const budgetRoutes = [create, list, replayIt, read, change, remove];
