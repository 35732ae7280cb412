import { inspect } from 'node:util';
import { ApplicationFailure } from '@temporalio/common';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { translate } from '../../activities/failures.ts';
import { readOrganization } from '../../anthropic/organization.ts';
import { createTransport } from '../../anthropic/transport.ts';
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

it('a failure that nobody foresaw leaves an activity without what looks like a key', async () => {
  const { failure, text } = await kept(Promise.reject(new Error(`no such key: ${KEY}`, { cause: KEY })));
  expect(failure).toMatchObject({ message: 'Unexpected: Error: no such key: …' });
  expect(text).not.toMatch(/SECRETsecret/);
});

it.each(['\n', '\r\nx-other: 1', '\0', '\u2603'])(
  'a key that no header takes (%j) is quoted by no failure',
  async (odd) => {
    const transport = createTransport({ baseUrl: 'http://127.0.0.1:1', maxReplyBytes: 1_000 });
    const reader = transport.readerFor(`${KEY}${odd}`, new AbortController().signal);
    const { failure, text } = await kept(readOrganization(reader));
    expect(failure).toBeInstanceOf(ApplicationFailure);
    expect(text).not.toMatch(/SECRETsecret/);
    await transport.close();
  },
);
