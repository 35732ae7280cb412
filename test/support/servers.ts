import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DefaultLogger, bundleWorkflowCode } from '@temporalio/worker';
import type { TestProject } from 'vitest/node';
import { migrateDatabase } from '../../db/core/migrate.ts';
import { startPostgres } from '../../local/postgres/postgres.ts';
import { findTemporalCli, findTemporalTestServer } from '../../local/temporal/find.ts';
import { startTemporal } from '../../local/temporal/temporal.ts';
import { PAYLOAD_CONVERTER } from '../../worker/worker.ts';
import { findChromium, type Chromium } from '../console/chromium.ts';
import { TEMPLATE, databaseUrl, onServer } from './databases.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Address of the Postgres server of this run, without a database name. */
    postgresUrl: string;
    temporalAddress: string;
    testServerPath: string;
    workflowBundlePath: string;
    /** The browser of this run; null if there is none. */
    chromium: Chromium | null;
  }
}

/** Starts the servers that all test files share: a real Postgres, a real Temporal, and the bundled workflow code. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDir = mkdtempSync(join(tmpdir(), 'meterline-test-'));
  const quiet = (): void => undefined;
  const [postgres, cli, testServer, browser, bundle] = await Promise.all([
    startPostgres({ dataDir, durable: false, log: quiet }),
    findTemporalCli(),
    findTemporalTestServer(),
    findBrowser(),
    bundleWorkflowCode({
      payloadConverterPath: PAYLOAD_CONVERTER,
      logger: new DefaultLogger('WARN'),
      workflowsPath: fileURLToPath(new URL('../../workflows/index.ts', import.meta.url)),
    }),
  ]);
  const temporal = await startTemporal({ cli, dataDir: ':memory:' });
  const url = new URL(postgres.url);
  url.pathname = '';
  const bundlePath = join(dataDir, 'workflow-bundle.js');
  writeFileSync(bundlePath, bundle.code);
  await createTemplate(url.href);

  project.provide('postgresUrl', url.href);
  project.provide('temporalAddress', temporal.address);
  project.provide('testServerPath', testServer);
  project.provide('workflowBundlePath', bundlePath);
  project.provide('chromium', browser);
  return async () => {
    await Promise.all([temporal.stop(), postgres.stop()]);
    rmSync(dataDir, { recursive: true, force: true });
  };
}

/** For `npm test`, which says so, it fetches a browser if there is none. */
async function findBrowser(): Promise<Chromium | null> {
  const isAsked = process.env['METERLINE_TEST_BROWSER'] === 'fetch';
  const found = await findChromium({ mayFetch: isAsked });
  const isThere = 'chromium' in found;
  if (isAsked) {
    const line = isThere ? `${found.chromium.version}, ${found.chromium.path}` : `no Chromium: ${found.problem}`;
    process.stdout.write(`browser  ${line}\n`);
  }
  return isThere ? found.chromium : null;
}

async function createTemplate(server: string): Promise<void> {
  await onServer(server, `create database ${TEMPLATE}`);
  await migrateDatabase(databaseUrl(server, TEMPLATE));
}
