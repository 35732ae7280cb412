import express, { type Express, type RequestHandler } from 'express';
import type { Store } from 'express-rate-limit';
import helmet from 'helmet';
import type { Config } from '../../config/config.ts';
import { authenticate } from './auth.ts';
import type { Deps, Endpoint } from './endpoint.ts';
import { openApiDocument } from './openapi.ts';
import { answerProblems, notFound, onlyMethods } from './problems.ts';
import { logRequests } from './request-log.ts';
import { connectionRoutes } from '../connections/routes.ts';
import { costRoutes } from '../spend/costs.ts';
import { docsRoutes } from '../pages/docs.ts';
import { healthRoutes } from '../health/routes.ts';
import { coverageRoutes } from '../history/coverage.ts';
import { historyRoutes } from '../history/routes.ts';
import { homeRoutes } from '../pages/home.ts';
import { keyRoutes } from '../keys/routes.ts';
import { lifecycleRoutes } from '../connections/lifecycle.ts';
import { syncRoutes } from '../syncs/routes.ts';
import { tokenRoutes } from '../tokens/routes.ts';
import { usageRoutes } from '../spend/usage.ts';
import { Turns } from './turns.ts';

/** What the app is made of. What is optional has a default that serves in production. */
export interface AppOptions extends Omit<Deps, 'settings' | 'turns'> {
  readonly config: {
    readonly apiToken: string;
    readonly syncHourUtc: number;
    readonly temporalNamespace: string;
    readonly temporalUiUrl: string | null;
    /** Which proxies to believe, as {@link Config.trustProxy}; none. */
    readonly trustProxy?: Config['trustProxy'];
  };
  /** How long a request waits for a verdict or a change of status; 8 seconds. */
  readonly waitMs?: number;
  /** How many failed tries to authenticate an address has in a minute; 100. */
  readonly failuresPerMinute?: number;
  /** How many requests a token may have under way; 100. */
  readonly requestsPerToken?: number;
  /** Where failed tries are counted; in the memory of this process. */
  readonly failures?: Store;
  /** The clock: milliseconds since the epoch. */
  readonly now?: () => number;
  /** How many lines of the log were dropped; none. */
  readonly droppedLogLines?: () => number;
  /** Aborted when the process is asked to end. */
  readonly stopping?: AbortSignal;
}

const MAX_BODY_BYTES = 16 * 1024;
const WAIT_MS = 8_000;
const FAILURES_PER_MINUTE = 100;
/** A request may wait 8 seconds for a verdict, so several at once are usual; a script that connects 50 organizations is fine. */
const REQUESTS_PER_TOKEN = 100;
const REPORTS_PER_TOKEN = 2;

/** Every route but those of the documentation, which is made of this list. */
export const endpoints: readonly Endpoint[] = [
  ...connectionRoutes,
  ...keyRoutes,
  ...lifecycleRoutes,
  ...syncRoutes,
  ...coverageRoutes,
  ...historyRoutes,
  ...costRoutes,
  ...usageRoutes,
  ...tokenRoutes,
  ...healthRoutes,
];

/** Makes the Express app. It listens nowhere; `createHttpServer` gives it a server. */
export function createApp(options: AppOptions): Express {
  const { db, log, config } = options;
  const deps: Deps = {
    db,
    ring: options.ring,
    temporal: options.temporal,
    log,
    turns: new Turns(REPORTS_PER_TOKEN),
    settings: {
      syncHourUtc: config.syncHourUtc,
      temporalNamespace: config.temporalNamespace,
      temporalUiUrl: config.temporalUiUrl,
      waitMs: options.waitMs ?? WAIT_MS,
      now: options.now ?? Date.now,
      droppedLogLines: options.droppedLogLines ?? (() => 0),
      stopping: options.stopping ?? new AbortController().signal,
    },
  };
  const failuresPerMinute = options.failuresPerMinute ?? FAILURES_PER_MINUTE;
  const app = express();
  app.disable('x-powered-by').disable('etag').set('query parser', false);
  app.set('trust proxy', config.trustProxy ?? 0);
  app.use(logRequests(log), securityHeaders);
  app.use(homeRoutes(config.temporalUiUrl), docsRoutes(openApiDocument(endpoints)));
  app.use(noStore);
  app.use(
    '/v1',
    authenticate({
      db,
      apiToken: config.apiToken,
      failuresPerMinute,
      failures: options.failures,
      requestsPerToken: options.requestsPerToken ?? REQUESTS_PER_TOKEN,
    }),
  );
  app.use('/v1', express.json({ limit: MAX_BODY_BYTES, inflate: false }));
  for (const { method, path, handler } of endpoints) app[method](path, handler(deps));
  for (const [path, methods] of methodsByPath(endpoints)) app.all(path, onlyMethods(methods));
  app.use(notFound, answerProblems(log, db));
  return app;
}

function methodsByPath(routes: readonly Endpoint[]): Map<string, string[]> {
  const byPath = new Map<string, string[]>();
  for (const { method, path } of routes) byPath.set(path, [...(byPath.get(path) ?? []), method]);
  return byPath;
}

const securityHeaders: RequestHandler = helmet({
  contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
  // Whether it is reached over TLS is known to the proxy that ends it, which sets this header then.
  strictTransportSecurity: false,
});

const noStore: RequestHandler = (_request, response, next) => {
  response.set('Cache-Control', 'no-store');
  next();
};
