import { inspect } from 'node:util';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { asReplyFailure, translate } from '../../activities/failures.ts';
import { AnthropicError } from '../../anthropic/failure.ts';
import { openDatabase } from '../../db/core/database.ts';
import { ConnectionGoneError } from '../../db/connections/live.ts';
import { testDatabase, type TestDatabase } from '../support/postgres.ts';

const KEY = 'sk-ant-admin01-SECRETsecretSECRETsecret-wxyz';

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
});
afterAll(() => database.close());

/** Everything that Temporal would keep of what an activity failed with: message, stack, causes and details. */
async function kept(failing: Promise<unknown>): Promise<{ failure: unknown; text: string }> {
  const error = await failing.then(
    () => new Error('it did not fail'),
    (thrown: unknown) => thrown,
  );
  const failure = translate(error);
  return { failure, text: inspect(failure, { depth: null, showHidden: true }) };
}

it('a failure of Postgres leaves an activity as a sentence, without statement, values or row', async () => {
  const { failure, text } = await kept(
    database.db.execute(sql`insert into tokens (name, role, hash, created_by) values (${KEY}, ${KEY}, ${KEY}, ${KEY})`),
  );
  expect(failure).toBeInstanceOf(ApplicationFailure);
  expect(failure).toMatchObject({ type: 'unavailable' });
  expect(text).not.toMatch(/SECRETsecret|insert into/);
});

it('a failure of our own is internal, and is not laid on Postgres', async () => {
  const broken = Promise.resolve(null as unknown as { name: string }).then(({ name }) => name);
  const { failure } = await kept(broken);
  expect(failure).toMatchObject({ type: 'internal', nonRetryable: false });
  expect(failure).toMatchObject({ details: [{ failure: { code: 'internal' }, keyId: null }] });
});

it('an unexpected failure leaves an activity without any text that looks like a key', async () => {
  const { failure, text } = await kept(Promise.reject(new Error(`no such key: ${KEY}`, { cause: KEY })));
  expect(failure).toMatchObject({ message: 'Unexpected: Error: no such key: sk-ant-…' });
  expect(text).not.toMatch(/SECRETsecret/);
});

/** What Postgres says to a statement that raises a SQLSTATE. */
async function raised(state: string): Promise<unknown> {
  return database.db
    .execute(
      sql.raw(`do $$ begin raise exception 'the row (sk-ant-admin01-SECRETsecret)' using errcode = '${state}'; end $$`),
    )
    .then(
      () => new Error('nothing was raised'),
      (error: unknown) => error,
    );
}

it.each(['22003', '22P02', '22021', '23505', '23514', '54000', '54001', 'XX000'])(
  'SQLSTATE %s is a failure of the content that was to be stored, told without it',
  async (state) => {
    const failure = asReplyFailure(await raised(state));
    expect(failure).toMatchObject({ code: 'upstream_invalid' });
    expect(inspect(failure, { depth: null, showHidden: true })).not.toMatch(/SECRETsecret/);
  },
);

it.each([
  '08006',
  '53100',
  '53200',
  '53300',
  '57014',
  '57P01',
  '58030',
  '40001',
  '40P01',
  '55P03',
  '25006',
  '42501',
  '42P01',
  'XX001',
])('SQLSTATE %s is no failure of any content', async (state) => {
  const error = await raised(state);
  expect(asReplyFailure(error)).toBe(error);
  expect(translate(error)).toMatchObject({ type: 'unavailable' });
});

it.each([new RangeError(KEY), new TypeError(KEY), new SyntaxError(KEY), new Error(KEY), KEY])(
  'whatever else content causes is told without what it quotes: %#',
  (error) => {
    const failure = asReplyFailure(error);
    expect(failure).toMatchObject({ code: 'upstream_invalid' });
    expect(inspect(translate(failure), { depth: null, showHidden: true })).not.toMatch(/SECRETsecret/);
  },
);

it('other errors pass unchanged', async () => {
  const lost = await openDatabase('postgres://nobody@127.0.0.1:1/none', { max: 1, name: 'test' })
    .db.execute(sql`select 1`)
    .catch((error: unknown) => error);
  const others = [
    lost,
    new CancelledFailure('cancelled'),
    new ConnectionGoneError('some'),
    new AnthropicError('rate_limited', { detail: 'HTTP 429' }),
    new AnthropicError('key_invalid', { detail: 'HTTP 401' }),
    ApplicationFailure.create({ message: 'key replaced' }),
  ];
  for (const error of others) expect(asReplyFailure(error)).toBe(error);
});
