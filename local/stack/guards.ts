import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import { z } from 'zod';
import type { Config } from '../../config/config.ts';
import { openDatabase, row } from '../../db/core/database.ts';
import { StackError, isErrno, messageOf } from '../errors.ts';
import { checkFree } from '../processes/ports.ts';
import type { StackKind } from './stack.ts';

/** Throws StackError if the API cannot listen on HOST and PORT. Runs before anything else is started. */
export async function refuseTakenPort({ host, port, portWasAskedFor }: Config): Promise<void> {
  const isAskedFor = portWasAskedFor && port !== 0;
  let problem = 'is in use by another program';
  try {
    if (await checkFree(isAskedFor ? port : 0, host)) return;
  } catch (error) {
    problem = `cannot be listened on (${messageOf(error)})`;
  }
  throw new StackError(
    isAskedFor
      ? `PORT asks for port ${port} on ${host}, which ${problem}. ` +
          'Set PORT to a free port from 1024 on, or leave it unset, and a free port is chosen.'
      : `HOST is ${host}, which ${problem}. Set HOST to an address of this machine, or leave it unset.`,
  );
}

/**
 * Marks a data directory at its first start as one for real or for simulated data. Throws StackError if it is marked for
 * the other kind.
 */
export function refuseOtherKind(dataDir: string, kind: StackKind): void {
  const file = join(dataDir, 'kind');
  let marked: string;
  try {
    marked = readFileSync(file, 'utf8').trim();
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error;
    writeFileSync(file, `${kind}\n`, { mode: 0o600 });
    return;
  }
  if (marked === kind) return;
  const content = marked === 'demo' ? "the demo's simulated data" : 'real data, which the demo does not touch';
  throw new StackError(`${dataDir} holds ${content}. Set METERLINE_DATA_DIR to another directory.`);
}

/**
 * Throws StackError unless the database that DATABASE_URL names is empty or holds the sample organization alone. In a
 * real one, the demo's worker would send real keys to the simulator.
 */
export async function refuseRealData(databaseUrl: string, sampleOrganizationId: string): Promise<void> {
  const database = openDatabase(databaseUrl, { max: 1, name: 'meterline demo' });
  try {
    const { present } = await row(
      database.db,
      z.object({ present: z.boolean() }),
      sql`select to_regclass('connections') is not null as present`,
    );
    if (!present) return;
    const others = await database.db.execute(
      sql`select 1 from connections where organization_id is distinct from ${sampleOrganizationId} limit 1`,
    );
    if (others.length === 0) return;
  } finally {
    await database.close();
  }
  throw new StackError(
    "DATABASE_URL names a database that holds other connections than the demo's, so the demo does not use it. " +
      'Unset DATABASE_URL, and the demo starts a database, or name an empty one.',
  );
}
