import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Server } from 'node:http';
import type { Browser, BrowserContextOptions } from 'playwright-core';
import { pino } from 'pino';
import { inject } from 'vitest';
import { createApp } from '../../api/app.ts';
import { forecastingHere } from '../../forecasting/forecasting.ts';
import { closeServer, createHttpServer, listen } from '../../api/http/server.ts';
import { openTemporal } from '../../api/temporal.ts';
import { openDatabase } from '../../db/core/database.ts';
import { ALLOW_NOTHING, type AllowList } from '../../domain/notices/allow-list.ts';
import type { Door } from '../../notify/door.ts';
import type { SimulatorOptions } from '../../simulator/simulator.ts';
import { makeWay } from '../support/way.ts';
import { createWorld, type World } from '../support/world.ts';
import { openPage, startBrowser, type Opened } from './browser.ts';

const CONSOLE = join(import.meta.dirname, '../../dist/console');

/** Everything that a person at the console meets, real but for Anthropic, and each part of it can be taken away. */
export interface ConsoleWorld {
  /** Postgres, Temporal, a worker and the simulator. `stopWorker` and `startWorker` are there. */
  readonly world: World;
  /** The address of the API, and so of the console. */
  readonly url: string;
  /** The API's own admin token. */
  readonly token: string;
  /** Asks the API. The reply to a malformed request is a reply, too. */
  send(method: string, path: string, body?: object, token?: string): Promise<{ status: number; body: unknown }>;
  /** Opens a page in which nobody is signed in. */
  open(options?: BrowserContextOptions): Promise<Opened>;
  /** Opens a page in which a token, by default {@link token}, is signed in. */
  openAs(token?: string, options?: BrowserContextOptions): Promise<Opened>;
  /** Cuts the API off from Postgres, and lets it through again. The worker keeps its own way. */
  cutPostgres(): Promise<void>;
  restorePostgres(): Promise<void>;
  /** Ends the API with all its connections, and starts it again at the same address. */
  stopApi(): Promise<void>;
  startApi(): Promise<void>;
  close(): Promise<void>;
}

/** Starts it all. Needs the build of the console in dist/, as `npm test` makes it. */
export async function startConsoleWorld(
  options: {
    simulator?: SimulatorOptions;
    /** How notices leave; by default everything is taken. */
    door?: Door;
    /** The places in private networks that channels may lead to. */
    notifyAllow?: AllowList;
  } = {},
): Promise<ConsoleWorld> {
  const { notifyAllow, ...others } = options;
  const world = await createWorld({ timeSkipping: false, ...others });
  const api = await startOwnApi(world, notifyAllow);
  let browser: Browser | null = null;
  const open = async (contextOptions?: BrowserContextOptions): Promise<Opened> => {
    browser ??= await startBrowser();
    return openPage(browser, api.url, contextOptions);
  };
  return {
    ...api,
    world,
    open,
    async send(method, path, body, token = api.token) {
      const response = await fetch(api.url + path, {
        method,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, body: text === '' ? null : (JSON.parse(text) as unknown) };
    },
    async openAs(token = api.token, contextOptions = {}) {
      const opened = await open(contextOptions);
      const reply = await opened.context.request.post('/v1/session', { data: { token } });
      if (!reply.ok()) throw new Error(`POST /v1/session: ${reply.status()} ${await reply.text()}`);
      return opened;
    },
    async close() {
      await browser?.close();
      await api.close();
      await world.close();
    },
  };
}

type OwnApi = Pick<
  ConsoleWorld,
  'url' | 'token' | 'cutPostgres' | 'restorePostgres' | 'stopApi' | 'startApi' | 'close'
>;

async function startOwnApi(world: World, notifyAllow: AllowList = ALLOW_NOTHING): Promise<OwnApi> {
  const token = `test-${randomBytes(16).toString('hex')}`;
  const address = new URL(world.database.url);
  const way = makeWay({ host: address.hostname, port: Number(address.port) });
  await way.open();
  address.host = `127.0.0.1:${way.port}`;
  const database = openDatabase(address.href, { max: 10, name: 'meterline test console' });
  const temporal = openTemporal({
    temporal: { connectionOptions: { address: inject('temporalAddress') }, namespace: 'default' },
    taskQueue: world.taskQueue,
  });
  let url = '';
  const app = createApp({
    db: database.db,
    ring: world.ring,
    temporal,

    forecasting: forecastingHere(),
    log: pino({ level: 'silent' }),
    config: { apiToken: token, syncHourUtc: 6, temporalNamespace: 'default', temporalUiUrl: 'http://127.0.0.1:8233' },
    consoleDir: CONSOLE,
    notifyAllow,
    publicUrl: () => url,
  });
  let server: Server = createHttpServer(app);
  url = await listen(server, '127.0.0.1', 0);
  const stopApi = async (): Promise<void> => {
    server.closeAllConnections();
    await closeServer(server);
  };
  return {
    url,
    token,
    cutPostgres: way.shut,
    restorePostgres: way.open,
    stopApi,
    async startApi() {
      server = createHttpServer(app);
      await listen(server, '127.0.0.1', Number(new URL(url).port));
    },
    async close() {
      if (server.listening) await stopApi();
      await temporal.close();
      await database.close();
      await way.shut();
    },
  };
}
