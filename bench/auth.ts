import { Pool } from 'undici';
import { openDatabase, type Db } from '../db/core/database.ts';
import { hashToken } from '../db/tokens/secret.ts';
import { createToken, findToken, revokeToken } from '../db/tokens/tokens.ts';
import { median } from './measure.ts';

/** The cost of authentication. Times are medians of consecutive requests, in microseconds. */
export interface AuthCost {
  /** An unknown path outside of /v1: everything that a request costs except its token. */
  readonly openUs: number;
  /** An unknown path under /v1 with METERLINE_API_TOKEN, which the API compares in memory. */
  readonly bootstrapUs: number;
  /** The same with a token that the API looks up in Postgres. */
  readonly storedUs: number;
  /** Hashing a token, without HTTP. */
  readonly hashUs: number;
  /** Hashing a token and looking it up, without HTTP. */
  readonly lookupUs: number;
  /** Requests per second, {@link AT_A_TIME} at a time. */
  readonly openPerSecond: number;
  readonly bootstrapPerSecond: number;
  readonly storedPerSecond: number;
}

const ROUNDS = 20;
const IN_A_ROW = 100;
const AT_A_TIME = 16;
const MANY = 4_000;
const CREATOR = { id: null, name: 'bench' };

/** Measures a running API on the same database, with a token that it creates and revokes. */
export async function measureAuth(options: {
  apiUrl: string;
  bootstrapToken: string;
  databaseUrl: string;
}): Promise<AuthCost> {
  const database = openDatabase(options.databaseUrl, { max: 1, name: 'bench' });
  const pool = new Pool(options.apiUrl, { connections: AT_A_TIME });
  const stored = await createToken(database.db, { name: 'bench', role: 'viewer', creator: CREATOR });
  const kinds = {
    open: requester(pool, '/nothing', null),
    bootstrap: requester(pool, '/v1/nothing', options.bootstrapToken),
    stored: requester(pool, '/v1/nothing', stored.token),
  };
  try {
    const us: Record<keyof typeof kinds, number[]> = { open: [], bootstrap: [], stored: [] };
    // By turns, so that other load on the machine slows all kinds alike. The first round warms up.
    for (let round = 0; round <= ROUNDS; round += 1) {
      for (const kind of ['open', 'bootstrap', 'stored'] as const) {
        const each = await timed(IN_A_ROW, kinds[kind]);
        if (round > 0) us[kind].push(each);
      }
    }
    const bare = await measureBare(database.db, stored.token);
    return {
      openUs: median(us.open),
      bootstrapUs: median(us.bootstrap),
      storedUs: median(us.stored),
      ...bare,
      openPerSecond: await perSecond(kinds.open),
      bootstrapPerSecond: await perSecond(kinds.bootstrap),
      storedPerSecond: await perSecond(kinds.stored),
    };
  } finally {
    await revokeToken(database.db, stored.id, CREATOR.name);
    await pool.close();
    await database.close();
  }
}

function requester(pool: Pool, path: string, token: string | null): () => Promise<void> {
  const headers = token === null ? {} : { authorization: `Bearer ${token}` };
  return async () => {
    const { statusCode, body } = await pool.request({ method: 'GET', path, headers });
    await body.dump();
    // A 401 would be answered without the work that is measured here.
    if (statusCode !== 404) throw new Error(`the API answered ${path} with ${statusCode}`);
  };
}

async function measureBare(db: Db, token: string): Promise<Pick<AuthCost, 'hashUs' | 'lookupUs'>> {
  const lookups: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    lookups.push(
      await timed(IN_A_ROW, async () => {
        if ((await findToken(db, hashToken(token))) === null) throw new Error('the database lacks the token');
      }),
    );
  }
  const startedAt = performance.now();
  for (let count = 0; count < MANY; count += 1) hashToken(token);
  return { hashUs: ((performance.now() - startedAt) * 1_000) / MANY, lookupUs: median(lookups) };
}

/** The mean time of consecutive calls, in microseconds. */
async function timed(times: number, work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  for (let count = 0; count < times; count += 1) await work();
  return ((performance.now() - startedAt) * 1_000) / times;
}

async function perSecond(request: () => Promise<void>): Promise<number> {
  let left = MANY;
  const startedAt = performance.now();
  const client = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await request();
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, client));
  return Math.round((MANY * 1_000) / (performance.now() - startedAt));
}
