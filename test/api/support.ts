import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import { pino } from 'pino';
import { createApp, type AppOptions } from '../../api/app.ts';
import type { Bounds } from '../../api/http/bounds.ts';
import { closeServer, createHttpServer, listen, type ClientTimeouts } from '../../api/http/server.ts';
import { TemporalUnavailableError, type ShownSchedule, type Temporal } from '../../api/http/temporal.ts';
import { reportScheduleId, type ScheduledReport } from '../../workflows/report-schedule.ts';
import type { Config } from '../../config/config.ts';
import type { Db } from '../../db/core/database.ts';
import { forecastingHere } from '../../forecasting/forecasting.ts';
import { createKeyRing } from '../../db/keys/key-ring.ts';
import { rewriteRollup } from '../../db/ledger/rollup.ts';
import {
  connections,
  costLines,
  costSeries,
  days,
  keys,
  usageLines,
  usageSeries,
  workspaceTags,
  workspaces,
} from '../../db/schema.ts';
import { addDays, daysIn, type Day } from '../../domain/days.ts';
import { toDecimal } from '../../domain/money.ts';
import type { Failure } from '../../domain/failures.ts';
import { unitText, type Report } from '../../domain/lines.ts';
import type { SignalName } from '../../domain/connection/messages.ts';
import type { DayState } from '../../domain/reading.ts';
import { isLive, type Status } from '../../domain/connection/statuses.ts';
import { testDatabase } from '../support/postgres.ts';
import { adminKey } from '../support/admin-key.ts';

/** The instant at which the API of a test believes to be. */
export const NOW = Date.parse('2026-07-31T12:00:00Z');
export const TODAY: Day = '2026-07-31';
export const ADMIN_TOKEN = 'test-bootstrap-token-0123456789';
export const CANARY = 'sk-ant-admin01-CANARYcanaryCANARYcanaryCANARY-wxyz';
export const ring = createKeyRing([{ id: 'test', key: randomBytes(32) }]);

/** Takes what the API tells Temporal, and does what a worker would, where a test says so. */
export class FakeTemporal implements Temporal {
  readonly started: { id: string; summary: string }[] = [];
  readonly signals: { id: string; signal: SignalName; input: unknown }[] = [];
  readonly woken: string[] = [];
  /** How often it was asked to judge budgets. */
  assessed = 0;
  readonly delivered: { id: string; isAnew: boolean; summary: string }[] = [];
  readonly schedules = new Map<string, { report: ScheduledReport; isPaused: boolean }>();
  isDown = false;
  onDelivery: (id: string) => Promise<void> = () => Promise.resolve();
  onStart: (id: string) => Promise<void> = () => Promise.resolve();
  onSignal: (id: string, signal: SignalName, input: unknown) => Promise<void> = () => Promise.resolve();

  startConnection(id: string, summary: string): Promise<void> {
    this.#mustBeUp();
    this.started.push({ id, summary });
    return this.onStart(id);
  }

  signalConnection(id: string, signal: SignalName, input?: object): Promise<void> {
    this.#mustBeUp();
    this.signals.push({ id, signal, input });
    return this.onSignal(id, signal, input);
  }

  wakeConnection(id: string): Promise<void> {
    this.#mustBeUp();
    this.woken.push(id);
    return Promise.resolve();
  }

  async startDelivery(delivery: { id: string; isAnew: boolean; summary: string }): Promise<void> {
    this.#mustBeUp();
    this.delivered.push(delivery);
    await this.onDelivery(delivery.id);
  }

  async putSchedule(report: ScheduledReport): Promise<void> {
    await Promise.resolve();
    this.#mustBeUp();
    const { isPaused = false } = this.schedules.get(report.id) ?? {};
    this.schedules.set(report.id, { report, isPaused });
  }

  async deleteSchedule(id: string): Promise<void> {
    await Promise.resolve();
    this.#mustBeUp();
    this.schedules.delete(id);
  }

  async findSchedule(id: string): Promise<ShownSchedule | null> {
    return (await this.listSchedules()).find((schedule) => schedule.id === reportScheduleId(id)) ?? null;
  }

  async listSchedules(): Promise<ShownSchedule[]> {
    await Promise.resolve();
    this.#mustBeUp();
    return [...this.schedules].map(([id, { isPaused }]) => ({
      id: reportScheduleId(id),
      isPaused,
      nextAt: isPaused ? null : new Date(NOW),
    }));
  }

  async assess(): Promise<void> {
    await Promise.resolve();
    this.#mustBeUp();
    this.assessed += 1;
  }

  async check(): Promise<void> {
    await Promise.resolve();
    this.#mustBeUp();
  }

  #mustBeUp(): void {
    if (this.isDown) throw new TemporalUnavailableError('down');
  }
}

/** A row of a list or report. */
export interface Row {
  readonly [field: string]: unknown;
  readonly id: string;
  readonly day: string;
  readonly run_id: string;
  readonly actor: string;
  readonly message: string;
  readonly created_at: string;
  readonly status: string;
  readonly amount: string;
  readonly workspace: { readonly id: string | null };
  readonly connection: { readonly id: string };
}

/** The fields of the replies that tests look into. Each reply has some of them; a test says which it expects. */
export interface Body {
  readonly id: string;
  readonly name: string;
  readonly status: string | number;
  readonly code: string;
  readonly detail: string;
  readonly errors: { readonly path: string; readonly message: string }[];
  readonly data: Row[];
  readonly next: string | null;
  readonly from: string;
  readonly to: string;
  readonly total: string;
  readonly total_previous: string;
  readonly as_of: string | null;
  readonly other: unknown;
  readonly compare: Readonly<Record<string, unknown>>;
  readonly other_currencies: unknown;
  readonly provisional_days: number;
  readonly missing_days: number;
  readonly uncovered_days: number;
  readonly totals: Readonly<Record<string, number>>;
  readonly error: { readonly message: string; readonly action: string };
  readonly note: string | null;
  readonly last_sync: unknown;
  readonly temporal: unknown;
  readonly key: { readonly id: string; readonly hint: string };
  readonly key_id: string;
  readonly candidate: { readonly id: string };
  readonly next_sync_at: string;
  readonly connection_id: string;
  readonly refused_connection_id: string;
  readonly request_id: string;
  /** Of an anomaly. */
  readonly sentence: string;
  readonly explore: string;
  readonly notice_id: string | null;
  readonly feedback: unknown;
  /** Of a budget. */
  readonly forecast: { readonly reason: string | null; readonly mean: string; readonly days: readonly unknown[] };
  readonly thresholds: readonly { readonly fired_at: string | null; readonly notice_id: string | null }[];
  readonly days: readonly unknown[];
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly body: Body;
}

export interface Api {
  readonly url: string;
  readonly db: Db;
  readonly temporal: FakeTemporal;
  /** Everything that was logged. */
  log(): string;
  get(path: string, token?: string | null): Promise<Answer>;
  send(method: string, path: string, body?: unknown, token?: string | null): Promise<Answer>;
  raw(path: string, init: RequestInit): Promise<Answer>;
  close(): Promise<void>;
}

/** An API of its own on a database of its own, with everything real but Temporal. */
export async function startApi(
  options: Partial<AppOptions> & {
    timeouts?: Partial<ClientTimeouts>;
    bounds?: Partial<Bounds>;
    trustProxy?: Config['trustProxy'];
  } = {},
): Promise<Api> {
  const { timeouts, bounds, trustProxy = 0, ...appOptions } = options;
  const database = await testDatabase();
  const temporal = new FakeTemporal();
  const logged: string[] = [];
  let url = '';
  const app = createApp({
    db: database.db,
    ring,
    temporal,
    forecasting: forecastingHere(),
    log: pino({ level: 'trace' }, { write: (line: string) => logged.push(line) }),
    config: {
      apiToken: ADMIN_TOKEN,
      syncHourUtc: 6,
      temporalNamespace: 'default',
      temporalUiUrl: 'http://127.0.0.1:8233',
      trustProxy,
    },
    now: () => NOW,
    publicUrl: () => url,
    waitMs: 2_000,
    consoleDir: join(import.meta.dirname, '../../dist/console'),
    ...appOptions,
  });
  const server = createHttpServer(app, timeouts, bounds);
  url = await listen(server, '127.0.0.1', 0);
  const raw = async (path: string, init: RequestInit): Promise<Answer> => {
    const response = await fetch(url + path, { redirect: 'manual', ...init });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') === true;
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: (isJson ? JSON.parse(text) : {}) as Body,
    };
  };
  const bearer = (token: string | null): Record<string, string> =>
    token === null ? {} : { authorization: `Bearer ${token}` };
  return {
    url,
    db: database.db,
    temporal,
    log: () => logged.join(''),
    raw,
    get: (path, token = ADMIN_TOKEN) => raw(path, { headers: bearer(token) }),
    send: (method, path, body, token = ADMIN_TOKEN) =>
      raw(path, {
        method,
        headers: { ...bearer(token), ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    close: async () => {
      await closeServer(server);
      await database.close();
    },
  };
}

/** The columns of a key that serves. */
export const SERVES = { activatedAt: new Date(NOW), activatedNo: 1, activatedSync: 0 };

/** Stores a connection as it would be after a while. Days are counted from {@link TODAY}. */
export async function seedConnection(
  db: Db,
  options: {
    name?: string;
    status?: Status;
    organization?: string | null;
    began?: Day;
    backfillTo?: Day;
    failure?: { failure: Failure; at: Date; count: number };
    withKey?: boolean;
    endedAt?: Date;
    createdAt?: Date;
  } = {},
): Promise<string> {
  const id = randomUUID();
  const { status = 'active', organization = `org-${id}`, began = addDays(TODAY, -30), backfillTo = TODAY } = options;
  await db.insert(connections).values({
    id,
    name: options.name ?? 'Acme',
    status,
    organizationId: organization,
    organizationName: organization === null ? null : 'Acme Inc.',
    began,
    backfillTo,
    ...(options.failure === undefined
      ? {}
      : { failure: options.failure.failure, failedAt: options.failure.at, failureCount: options.failure.count }),
    ...(options.createdAt === undefined ? {} : { createdAt: options.createdAt }),
    endedAt: isLive(status) ? null : (options.endedAt ?? new Date(NOW)),
  });
  if (options.withKey === true) {
    const keyId = randomUUID();
    const sealed = ring.seal(adminKey(CANARY), { connectionId: id, keyId });
    await db.insert(keys).values({ connectionId: id, id: keyId, state: 'active', hint: 'wxyz', ...SERVES, ...sealed });
  }
  return id;
}

export interface SeedLine {
  readonly workspace_id?: string | null;
  readonly model?: string | null;
  readonly token_type?: string | null;
  readonly context_window?: string | null;
  readonly service_tier?: string | null;
  readonly inference_geo?: string | null;
  readonly cost_type?: string | null;
  readonly description?: string | null;
  readonly currency?: string;
  readonly amount: string;
}

/** Stores a day of cost as a sync would. */
export async function seedCostDay(
  db: Db,
  connectionId: string,
  day: Day,
  lines: readonly SeedLine[],
  state: DayState = 'final',
): Promise<void> {
  const total = lines.length === 0 ? '0' : '1';
  const dayNo = await seedDay(db, connectionId, 'cost', day, { lines: lines.length, total, state });
  for (const line of lines) {
    const [series] = await db
      .insert(costSeries)
      .values({
        connectionId,
        seriesId: randomUUID(),
        workspaceId: line.workspace_id ?? null,
        model: line.model ?? null,
        tokenType: line.token_type ?? null,
        contextWindow: line.context_window ?? null,
        serviceTier: line.service_tier ?? null,
        inferenceGeo: line.inference_geo ?? null,
        costType: line.cost_type ?? null,
        description: line.description ?? null,
        currency: line.currency ?? 'USD',
        unitId: unitOf(line),
      })
      .returning({ no: costSeries.seriesNo });
    await db.insert(costLines).values({ dayNo, seriesNo: series?.no ?? 0, amount: sql`${line.amount}::numeric` });
  }
  await rewriteRollup(db, dayNo);
}

/** The same for cost and usage of the same dimensions. */
function unitOf(line: Partial<SeedLine>): string {
  const { workspace_id, model, service_tier, context_window, inference_geo } = line;
  const geo = unitText('inference_geo', inference_geo ?? null);
  const key = [workspace_id ?? null, model ?? null, service_tier ?? null, context_window ?? null, geo];
  return createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 32);
}

export interface SeedUsage {
  readonly workspace_id?: string | null;
  readonly model?: string | null;
  readonly context_window?: string | null;
  readonly service_tier?: string | null;
  readonly inference_geo?: string | null;
  readonly counts: readonly [bigint, bigint, bigint, bigint, bigint, bigint];
  readonly extraCounts?: Readonly<Record<string, number>>;
}

/** Stores a day of usage as a sync would. */
export async function seedUsageDay(db: Db, connectionId: string, day: Day, lines: readonly SeedUsage[]): Promise<void> {
  const total = lines.length === 0 ? '0' : '1';
  const dayNo = await seedDay(db, connectionId, 'usage', day, { lines: lines.length, total });
  for (const line of lines) {
    const [series] = await db
      .insert(usageSeries)
      .values({
        connectionId,
        seriesId: randomUUID(),
        workspaceId: line.workspace_id ?? null,
        model: line.model ?? null,
        serviceTier: line.service_tier ?? null,
        contextWindow: line.context_window ?? null,
        inferenceGeo: line.inference_geo ?? null,
        unitId: unitOf(line),
      })
      .returning({ no: usageSeries.seriesNo });
    const [input, output, read, five, hour, searches] = line.counts;
    await db.insert(usageLines).values({
      dayNo,
      seriesNo: series?.no ?? 0,
      uncachedInputTokens: input,
      outputTokens: output,
      cacheReadInputTokens: read,
      cacheCreation5m: five,
      cacheCreation1h: hour,
      webSearchRequests: searches,
      extraCounts: line.extraCounts ?? null,
    });
  }
}

/** Stores that a day of a report was read. Returns its number. */
export async function seedDay(
  db: Db,
  connectionId: string,
  report: Report,
  day: Day,
  facts: { lines?: number; total?: string; state?: DayState; reconciled?: boolean; disagreesWith?: string } = {},
): Promise<number> {
  const { lines = 0, total = '0', state = 'final', disagreesWith } = facts;
  const values = {
    connectionId,
    report,
    day,
    state,
    reconciled: facts.reconciled ?? disagreesWith === undefined,
    disagreesWith: disagreesWith === undefined ? null : toDecimal(disagreesWith),
    lines,
    total: toDecimal(total),
    digest: Buffer.alloc(32),
    attempt: 1,
    readOn: addDays(day, 30),
    sync: 1,
    writtenBy: 1,
  };
  const [stored] = await db.insert(days).values(values).returning({ dayNo: days.dayNo });
  return stored?.dayNo ?? 0;
}

/** Stores that both reports of these days were read. */
export async function seedCovered(db: Db, connectionId: string, from: Day, to: Day): Promise<void> {
  for (const day of daysIn({ from, to })) {
    await seedDay(db, connectionId, 'cost', day);
    await seedDay(db, connectionId, 'usage', day);
  }
}

/** Stores a workspace with its tags. */
export async function seedWorkspace(
  db: Db,
  connectionId: string,
  id: string,
  name: string,
  { tags = {}, readAt = new Date(NOW) }: { tags?: Readonly<Record<string, string>>; readAt?: Date } = {},
): Promise<void> {
  await db.insert(workspaces).values({ connectionId, id, name, reported: {}, readAt });
  for (const [key, value] of Object.entries(tags)) {
    await db.insert(workspaceTags).values({ connectionId, workspaceId: id, key, value, firstSeen: TODAY });
  }
}
