import { z } from 'zod';
import { eachChargedLine, readChargedLines, type ChargedLine, type LinesOf } from '../../db/allocation/lines.ts';
import type { RulesOf } from '../../db/allocation/months.ts';
import { inSnapshot, readAhead } from '../../db/core/cursor.ts';
import { COST_DIMENSIONS } from '../../domain/lines.ts';
import { DEFAULT_WORKSPACE } from '../../domain/workspaces.ts';
import { todayOf } from '../connections/lookups.ts';
import { cursorOfAnotherQuery, decodeCursor, encodeCursor, positionText, queryDigest } from '../http/cursor.ts';
import { endpoint, type Deps } from '../http/endpoint.ts';
import { invalid } from '../http/problems.ts';
import { dayIn, nothing } from '../http/schemas.ts';
import { inFile, type Column } from '../spend/documents.ts';
import { connectionsOf } from '../spend/request.ts';
import { findMonth, linesOf, monthOfPath, rulesIn, type MonthRequest } from './month.ts';
import { lines as linesOut, linesQuery } from './schemas.ts';

type LineDocument = z.input<typeof linesOut>['data'][number];

const position = z.strictObject({ query: z.string(), at: z.tuple([dayIn, positionText, positionText]) });

/** GET /v1/chargeback/{month}/lines. */
export const linesRoute = endpoint({
  method: 'get',
  path: '/v1/chargeback/:month/lines',
  tag: 'Chargeback',
  operation: 'listChargebackLines',
  summary: 'Shows why each line went where it did: the rule, the pool and the share',
  description: 'A line of a pool has a row for each cost center that shares it.',
  query: linesQuery,
  body: nothing,
  out: linesOut,
  statuses: { 200: 'A page of lines, by day.' },
  problems: ['not_found', 'conflict'],
  inTurn: true,
  handle: async ({ month, query }, deps) => {
    const { request, of } = await askedOf(deps, month, query);
    const digest = digestOf(request, of);
    const after = query.after === undefined ? null : decodeCursor(query.after, position);
    if (after !== null && after.query !== digest) throw cursorOfAnotherQuery();
    const { shown, found, rules } = await inSnapshot(deps.db, async (tx) => {
      const shown = await findMonth(tx, request);
      const found = await readChargedLines(tx, linesOf(shown), of, {
        after: after?.at ?? null,
        limit: query.limit + 1,
      });
      return { shown, found, rules: await rulesIn(tx, shown, found) };
    });
    const page = found.slice(0, query.limit);
    const last = found.length > page.length ? page.at(-1) : undefined;
    return {
      status: 200,
      body: {
        month: request.month,
        state: shown.state,
        data: page.map((line) => lineDocument(line, rules)),
        next: last === undefined ? null : encodeCursor({ query: digest, at: last.position }),
      },
    };
  },
  csv: {
    headers: { 'Content-Disposition': inFile('The name of the file'), 'Meterline-State': inFile('`state` of JSON') },
    format: ({ format }) => format,
    write: async ({ month, query }, deps, reply) => {
      if (query.after !== undefined) throw invalid('query.after', 'must be absent for CSV, which has all rows');
      const { request, of } = await askedOf(deps, month, query);
      const shown = await findMonth(deps.tx, request);
      const takesRows = await reply.begin(
        `chargeback-lines_${request.month}.csv`,
        { 'Meterline-State': shown.state },
        COLUMNS,
      );
      if (!takesRows) return;
      const known = new Map<number, RulesOf>();
      for await (const batch of readAhead(eachChargedLine(deps.tx, linesOf(shown), of))) {
        if (!reply.isOpen) return;
        const unknown = batch.filter(({ rulesOf }) => !known.has(rulesOf));
        // A cursor is open in this transaction, and other statements may run beside it.
        if (unknown.length > 0) for (const [no, rules] of await rulesIn(deps.tx, shown, unknown)) known.set(no, rules);
        await reply.rows(batch.map((line) => COLUMNS.map(({ of: cell }) => cell(lineDocument(line, known)))));
      }
    },
  },
});

async function askedOf(
  deps: Deps,
  month: string,
  query: z.output<typeof linesQuery>,
): Promise<{ request: MonthRequest; of: LinesOf }> {
  const connections = await connectionsOf(deps, query.connection_id);
  const { cost_center: center } = query;
  return {
    request: { month: monthOfPath(month), revision: query.revision ?? null, connections, today: todayOf(deps) },
    of: { center: center === undefined ? null : { name: center === '' ? null : center }, connections },
  };
}

function digestOf({ month, revision }: MonthRequest, { center, connections }: LinesOf): string {
  return queryDigest(['lines', month, revision, center, connections]);
}

function lineDocument(line: ChargedLine, rules: ReadonlyMap<number, RulesOf>): LineDocument {
  const value = (name: (typeof COST_DIMENSIONS)[number]): string | null =>
    line.dimensions[COST_DIMENSIONS.indexOf(name)] ?? null;
  const workspaceId = value('workspace_id');
  const by = rules.get(line.rulesOf);
  const name = line.rule === null ? undefined : by?.rules[line.rule];
  return {
    cost_center: line.center,
    day: line.day,
    connection: { id: line.connectionId, name: line.connectionName ?? line.connectionId },
    workspace: { id: workspaceId, name: line.workspaceName ?? workspaceId ?? DEFAULT_WORKSPACE },
    description: value('description'),
    cost_type: value('cost_type'),
    model: value('model'),
    token_type: value('token_type'),
    context_window: value('context_window'),
    service_tier: value('service_tier'),
    inference_geo: value('inference_geo'),
    currency: value('currency'),
    line_amount: line.lineAmount,
    share: line.share,
    amount: line.amount,
    rule: line.rule === null || name === undefined ? null : { place: line.rule + 1, name },
    pool: line.pool,
    version: by?.version ?? null,
    adjusts: line.isCorrection ? (by?.month ?? null) : null,
  };
}

const texts = [
  'description',
  'cost_type',
  'model',
  'token_type',
  'context_window',
  'service_tier',
  'inference_geo',
  'currency',
] as const;

const COLUMNS: readonly Column<LineDocument>[] = [
  { name: 'cost_center', isNumber: false, of: ({ cost_center: center }) => center },
  { name: 'day', isNumber: false, of: ({ day }) => day },
  { name: 'connection_id', isNumber: false, of: ({ connection }) => connection.id },
  { name: 'connection_name', isNumber: false, of: ({ connection }) => connection.name },
  { name: 'workspace_id', isNumber: false, of: ({ workspace }) => workspace.id },
  { name: 'workspace_name', isNumber: false, of: ({ workspace }) => workspace.name },
  ...texts.map((name): Column<LineDocument> => ({ name, isNumber: false, of: (line) => line[name] })),
  ...(['line_amount', 'share', 'amount'] as const).map((name): Column<LineDocument> => ({
    name,
    isNumber: true,
    of: (line) => line[name],
  })),
  { name: 'rule', isNumber: false, of: ({ rule }) => rule?.name ?? null },
  { name: 'pool', isNumber: false, of: ({ pool }) => pool },
  { name: 'version', isNumber: true, of: ({ version }) => version?.toString() ?? null },
  { name: 'adjusts', isNumber: false, of: ({ adjusts }) => adjusts },
];
