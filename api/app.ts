import { isUtf8 } from 'node:buffer';
import express, { type Express, type RequestHandler } from 'express';
import type { Store } from 'express-rate-limit';
import helmet from 'helmet';
import type { Config } from '../config/config.ts';
import { addressOn } from '../config/public-url.ts';
import type { Db } from '../db/core/database.ts';
import { ALLOW_NOTHING } from '../domain/notices/allow-list.ts';
import { authenticate, countFailedLogins } from './http/auth.ts';
import { credentialsOf } from './http/credentials.ts';
import type { Deps, Endpoint } from './http/endpoint.ts';
import { openApiDocument } from './http/openapi.ts';
import { Exports } from './http/exports.ts';
import { answerProblems, notFound, onlyMethods } from './http/problems.ts';
import { logRequests } from './http/request-log.ts';
import { anomalyRoutes } from './anomalies/routes.ts';
import { allocationRoutes } from './allocation/routes.ts';
import { budgetRoutes } from './budgets/routes.ts';
import { exportRoutes } from './exports/routes.ts';
import { forecastRoutes } from './forecast/routes.ts';
import { chargebackRoutes } from './chargeback/routes.ts';
import { channelRoutes } from './channels/routes.ts';
import { connectionRoutes } from './connections/routes.ts';
import { consoleRoutes } from './pages/console.ts';
import { dayStateRoutes } from './spend/coverage.ts';
import { changeRoutes } from './spend/changes.ts';
import { costRoutes } from './spend/costs.ts';
import { eventRoutes } from './events/routes.ts';
import { docsRoutes } from './pages/docs.ts';
import { healthRoutes } from './health/routes.ts';
import { coverageRoutes } from './history/coverage.ts';
import { historyRoutes } from './history/routes.ts';
import { keyRoutes } from './keys/routes.ts';
import { lifecycleRoutes } from './connections/lifecycle.ts';
import { noticeRoutes } from './notices/routes.ts';
import { unsubscribeRoutes } from './pages/unsubscribe.ts';
import { reportRoutes } from './reports/routes.ts';
import { sessionRoutes } from './sessions/routes.ts';
import { syncRoutes } from './syncs/routes.ts';
import { tokenRoutes } from './tokens/routes.ts';
import { unitCostRoutes } from './spend/unit-costs.ts';
import { usageRoutes } from './spend/usage.ts';
import { Turns } from './http/turns.ts';
import { MAX_WAIT_MS } from './http/wait.ts';

/** What the app works with. Each optional field has a default for production. */
export interface AppOptions extends Omit<
  Deps,
  'settings' | 'turns' | 'exports' | 'credentials' | 'publicUrl' | 'notifyAllow'
> {
  /** The pool from which exports are written; by default `db`. */
  readonly exportDb?: Db;
  readonly config: {
    readonly apiToken: string;
    readonly syncHourUtc: number;
    readonly temporalNamespace: string;
    readonly temporalUiUrl: string | null;
    /** Which proxies to trust, as {@link Config.trustProxy}; by default none. */
    readonly trustProxy?: Config['trustProxy'];
  };
  /** Where the build put the console; without it there is no page at `/`. */
  readonly consoleDir?: string;
  /** Where browsers reach the API, once it listens; by default on the default port of this machine. */
  readonly publicUrl?: () => string;
  /** The places in private networks that channels may lead to; by default none. */
  readonly notifyAllow?: Deps['notifyAllow'];
  /** The longest wait of a request for a verdict or a change of status; by default {@link MAX_WAIT_MS}. */
  readonly waitMs?: number;
  /** How many failed tries to authenticate an address has in a minute; by default 100. */
  readonly failedLoginsPerMinute?: number;
  /** How many requests a token may have in progress; by default 100. */
  readonly requestsPerToken?: number;
  /** Counts failed tries; by default in the memory of this process. */
  readonly failedLogins?: Store;
  /** The clock: milliseconds since the epoch. */
  readonly now?: () => number;
  /** How many log lines this process has dropped; by default none. */
  readonly droppedLogLines?: () => number;
  /** Aborted when the process is asked to stop. */
  readonly stopping?: AbortSignal;
}

const MAX_BODY_BYTES = 16 * 1024;
/** An allocation document has hundreds of rules. */
const MAX_DOCUMENT_BYTES = 256 * 1024;
const FAILED_LOGINS_PER_MINUTE = 100;
/** A request may wait {@link MAX_WAIT_MS} for a verdict, so several at once are normal, as in a script that connects 50 organizations. */
const REQUESTS_PER_TOKEN = 100;
const REPORTS_PER_TOKEN = 2;

/** Every route that the OpenAPI document describes. */
export const endpoints: readonly Endpoint[] = [
  ...connectionRoutes,
  ...keyRoutes,
  ...lifecycleRoutes,
  ...syncRoutes,
  ...coverageRoutes,
  ...historyRoutes,
  ...costRoutes,
  ...changeRoutes,
  ...unitCostRoutes,
  ...usageRoutes,
  ...dayStateRoutes,
  ...allocationRoutes,
  ...chargebackRoutes,
  ...anomalyRoutes,
  ...tokenRoutes,
  ...sessionRoutes,
  ...eventRoutes,
  ...noticeRoutes,
  ...channelRoutes,
  ...reportRoutes,
  ...budgetRoutes,
  ...forecastRoutes,
  ...exportRoutes,
  ...healthRoutes,
];

/** Makes the Express app. `createHttpServer` makes the server for it. */
export function createApp(options: AppOptions): Express {
  const { db, log, config } = options;
  const publicUrl = options.publicUrl ?? (() => addressOn('127.0.0.1', 8080));
  const credentials = credentialsOf(db, options.ring, config.apiToken);
  const deps: Deps = {
    db,
    ring: options.ring,
    temporal: options.temporal,
    log,
    turns: new Turns(REPORTS_PER_TOKEN),
    exports: new Exports(options.exportDb ?? db, db),
    forecasting: options.forecasting,
    credentials,
    publicUrl,
    notifyAllow: options.notifyAllow ?? ALLOW_NOTHING,
    settings: {
      syncHourUtc: config.syncHourUtc,
      temporalNamespace: config.temporalNamespace,
      temporalUiUrl: config.temporalUiUrl,
      waitMs: options.waitMs ?? MAX_WAIT_MS,
      now: options.now ?? Date.now,
      droppedLogLines: options.droppedLogLines ?? (() => 0),
      stopping: options.stopping ?? new AbortController().signal,
    },
  };
  const app = express();
  app.disable('x-powered-by').disable('etag').set('query parser', false);
  app.set('trust proxy', config.trustProxy ?? 0);
  app.use(logRequests(log), securityHeaders);
  if (options.consoleDir !== undefined) app.use(consoleRoutes(options.consoleDir));
  app.use(docsRoutes(openApiDocument(endpoints)));
  app.use(noStore);
  app.use(unsubscribeRoutes(db, options.ring, log));
  app.use(
    '/v1',
    authenticate({
      db,
      credentials,
      publicUrl,
      requestsPerToken: options.requestsPerToken ?? REQUESTS_PER_TOKEN,
      onlyReading: endpoints.flatMap(({ path, onlyReads }) => (onlyReads === true ? [path.slice('/v1'.length)] : [])),
    }),
  );
  app.use('/v1/allocation', readJson(MAX_DOCUMENT_BYTES));
  app.use('/v1', readJson(MAX_BODY_BYTES));
  for (const { method, path, handler } of endpoints) app[method](path, handler(deps));
  for (const [path, methods] of methodsByPath(endpoints)) app.all(path, onlyMethods(methods));
  app.use(notFound);
  app.use(
    countFailedLogins({
      failedLoginsPerMinute: options.failedLoginsPerMinute ?? FAILED_LOGINS_PER_MINUTE,
      failedLogins: options.failedLogins,
    }),
    answerProblems(log, db),
  );
  return app;
}

function readJson(limit: number): RequestHandler {
  return express.json({ limit, inflate: false, verify: refuseOtherThanUtf8, reviver: refuseProto });
}

/** Express would put U+FFFD in place of such bytes, so a name would be stored that nobody gave. */
function refuseOtherThanUtf8(_request: unknown, _response: unknown, body: Buffer, encoding: string): void {
  if (encoding !== 'utf-8' || !isUtf8(body)) throw new TypeError('a body that is not UTF-8');
}

/** Nobody means such a key, and a schema would overlook it, so a rule, a report or a budget would take every line. */
function refuseProto(key: string, value: unknown): unknown {
  if (key === '__proto__') throw new SyntaxError('a key named __proto__');
  return value;
}

function methodsByPath(routes: readonly Endpoint[]): Map<string, string[]> {
  const byPath = new Map<string, string[]>();
  for (const { method, path } of routes) byPath.set(path, [...(byPath.get(path) ?? []), method]);
  return byPath;
}

const securityHeaders: RequestHandler = helmet({
  contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
  // The proxy that terminates TLS sets this header; this process does not know whether there is one.
  strictTransportSecurity: false,
});

const noStore: RequestHandler = (_request, response, next) => {
  response.set('Cache-Control', 'no-store');
  next();
};
