import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { epochMs } from '../../db/core/database.ts';
import { addDays, type Day } from '../../domain/days.ts';
import { backoffMs } from '../../domain/connection/schedule.ts';
import type { FaultInput } from '../../simulator/simulator.ts';
import { keepConnections } from '../../worker/keeper.ts';
import { connectionWorkflowId, statusQuery } from '../../workflows/messages.ts';
import { record } from '../support/histories.ts';
import { skippingWorld } from '../support/skipping.ts';
import { until } from '../support/wait.ts';
import { row, rows } from '../support/rows.ts';

const { world, state, keys, syncs, shown, becomes, awaitsKey, settles, comes, ...skipping } = await skippingWorld();
const { organizationOf, workflowDay, passDays, passHours, expectExact } = skipping;
const { control } = world.simulator;
const { db } = world.database;

/** A connection whose keys have names: the first one is A. */
class Subject {
  readonly organization: string;
  id = '';
  began: Day = '1970-01-01';
  readonly #keys = new Map<string, string>();

  constructor(name: string) {
    const { organization, key } = organizationOf(name);
    this.organization = organization;
    this.#keys.set('A', key);
  }

  /** The key with this name. A new name gets a new key of the organization. */
  key(name: string): string {
    const key = this.#keys.get(name) ?? control.addKey({ organization: this.organization }).key;
    this.#keys.set(name, key);
    return key;
  }

  /** Gives a name to a key of another organization. */
  know(name: string, key: string): void {
    this.#keys.set(name, key);
  }

  async connect(): Promise<void> {
    const today = await workflowDay();
    this.began = addDays(today, -4);
    this.id = await world.connect({ key: this.key('A'), backfillDays: 5, today });
  }

  stage(name: string): Promise<string> {
    return world.stage(this.id, this.key(name));
  }

  async rotate(name: string): Promise<string> {
    const keyId = await this.stage(name);
    await world.signal(this.id, 'rotateKey', { keyId });
    return keyId;
  }

  /** Every key that the connection ever had, oldest first. Checks that only usable keys have a ciphertext. */
  async ring(): Promise<string[]> {
    const found = await keys(this.id);
    for (const { state: s, sealed } of found) expect(sealed).toBe(!['refused', 'destroyed'].includes(s));
    return found.map(({ hint, state: s }) => `${this.#nameOf(hint)} ${s}`);
  }

  async has(...ring: string[]): Promise<void> {
    await comes(ring.join(', '), async () => (await this.ring()).join() === ring.join());
  }

  /** Waits until this key is active, without letting time pass. */
  async serves(name: string): Promise<void> {
    await until(`${name} to serve`, async () => (await this.ring()).includes(`${name} active`));
  }

  /** The events about keys, failures, signals and statuses since the connection had the status `after`. */
  async story(after?: string): Promise<string[]> {
    const told = await rows<{ message: string }>(
      db,
      sql`
        select message from events
        where connection_id = ${this.id} and type not in ('created', 'organization', 'key_added', 'signal_received')
        order by id
      `,
    );
    const messages = told.map(({ message }) =>
      message.replace(/[Kk]ey …(....)/g, (_, hint: string) => this.#nameOf(hint)),
    );
    return messages.slice(after === undefined ? 0 : messages.indexOf(`The connection is ${after}.`) + 1);
  }

  /** The keys of the requests since `from`, in their order, without repetitions. */
  users(from: number): string[] {
    const { total, last } = control.requests();
    const names = last.slice(Math.max(0, last.length - (total - from))).map(({ key }) => this.#nameOf(key ?? ''));
    return names.filter((name, index) => name !== names[index - 1]);
  }

  /** Checks that this key alone is active and no day is missing. `trouble` is the code of the failure that still shows. */
  async isWholeWith(name: string, trouble: string | null = null): Promise<void> {
    await comes(`all but ${name} to be out of service`, async () =>
      (await this.ring()).every((key) => key === `${name} active` || /refused|destroyed/.test(key)),
    );
    await becomes(this.id, 'active');
    await settles(this.id);
    const { error, key, status, missing_days } = await shown(this.id);
    expect({ error: error?.code ?? null, status, missing_days, hint: key?.hint }).toEqual({
      error: trouble,
      status: 'active',
      missing_days: 0,
      hint: this.key(name).slice(-4),
    });
    expect(await state(this.id)).toMatchObject({ failure: null, flagged: 0 });
    await expectExact(this.id, this.organization, this.began, await workflowDay());
  }

  #nameOf(hint: string): string {
    return [...this.#keys].find(([, key]) => key.endsWith(hint))?.[0] ?? `…${hint}`;
  }
}

async function connected(name: string): Promise<Subject> {
  const subject = new Subject(name);
  await subject.connect();
  await becomes(subject.id, 'active');
  await settles(subject.id);
  return subject;
}

/** Holds the next read of cost lines with this key until the faults are cleared. */
function holdReadOf(key: string): void {
  control.fault({ kind: 'hold', report: 'cost', grouped: true, key });
}

async function isHeld(): Promise<void> {
  await until('a reply to be held', () => control.faults().some(({ fired }) => fired > 0));
}

const REPLACED = ['B serves from now on.', 'A, replaced, is destroyed.'];
const REJECTED = 'Anthropic does not accept this Admin API key: it is wrong, revoked or expired.';
const STILL_REJECTED = 'Anthropic still rejects A with key_invalid.';
const CONFIRMED = (name: string): string[] => [
  `The connection is degraded: ${REJECTED}`,
  `Anthropic rejected ${name} with key_invalid again when asked a second time, so the rejection counts.`,
];
const INVALID = 'HTTP 401 authentication_error: invalid x-api-key';
const UNANSWERED = 'There is no verdict on B yet; it is tried again on its own: ';

describe('a rotation', () => {
  it('keeps the old key until a sync succeeded with the new one, then destroys it', async () => {
    const subject = await connected('Rotation');
    const asked = control.requests().total;
    await subject.rotate('B');
    await subject.isWholeWith('B');
    expect(await subject.ring()).toEqual(['A destroyed', 'B active']);
    expect(await subject.story('active')).toEqual(REPLACED);
    expect(subject.users(asked)).toEqual(['B']);
    await record(world.client, 'connection-rotated', connectionWorkflowId(subject.id));
  });

  it('while the first key has no answer connects with the new key', async () => {
    const subject = new Subject('Mid-validation');
    control.fault({ kind: 'status', status: 503, times: 'always', key: subject.key('A') });
    await subject.connect();
    await comes('a try without an answer', async () => (await keys(subject.id))[0]?.failure === 'upstream_unavailable');
    const { status, error } = await shown(subject.id);
    expect([status, error?.code]).toEqual(['validating', 'upstream_unavailable']);
    await subject.rotate('B');
    await subject.isWholeWith('B');
    expect(await subject.ring()).toEqual(['A destroyed', 'B active']);
    expect(await subject.story()).toEqual([
      'There is no verdict on A yet; it is tried again on its own: Anthropic did not answer, or is unavailable.',
      'B serves from now on.',
      'A is destroyed: Anthropic accepted the later B first.',
      'The connection is discovering.',
      'The connection is backfilling.',
      'The connection is active.',
    ]);
  });

  it('in the middle of the backfill does not stop it, and another sync proves the new key', async () => {
    const subject = new Subject('Mid-backfill');
    holdReadOf(subject.key('A'));
    await subject.connect();
    await isHeld();
    await subject.rotate('B');
    await subject.serves('B');
    const { status, error, last_sync } = await shown(subject.id);
    expect([status, error, last_sync?.state]).toEqual(['backfilling', null, 'running']);
    control.clearFaults();
    await subject.isWholeWith('B');
    expect(await subject.story('backfilling')).toEqual([
      'B serves from now on.',
      'The connection is active.',
      'A, replaced, is destroyed.',
    ]);
    // The backfill began with the old key, so it proves nothing about the new one.
    expect((await syncs(subject.id)).map(({ kind, state: s }) => `${kind} ${s}`)).toEqual([
      'backfill succeeded',
      'daily succeeded',
    ]);
  });

  it('in the middle of a daily sync costs neither a day nor a failure', async () => {
    const subject = await connected('Mid-daily');
    holdReadOf(subject.key('A'));
    const passing = passHours(24);
    await isHeld();
    await subject.rotate('B');
    await subject.serves('B');
    control.clearFaults();
    await passing;
    await subject.isWholeWith('B');
    expect(await subject.story('active')).toEqual(REPLACED);
  });

  it('during a pause is carried out, and the new key is proven after the resume', async () => {
    const subject = await connected('Paused');
    await world.signal(subject.id, 'pause');
    await becomes(subject.id, 'paused');
    await subject.rotate('B');
    await subject.has('A superseded', 'B active');
    await passHours(50);
    const { status, error, next_sync_at, key } = await shown(subject.id);
    expect([status, error, next_sync_at, key?.hint]).toEqual(['paused', null, null, subject.key('B').slice(-4)]);
    expect(await subject.ring()).toEqual(['A superseded', 'B active']);
    control.setKeyState(subject.key('A'), 'revoked');
    await world.signal(subject.id, 'resume');
    await subject.isWholeWith('B');
    expect(await subject.story('paused')).toEqual([
      'B serves from now on.',
      'The connection is active.',
      'A, replaced, is destroyed.',
    ]);
  });

  it('during a pause with a rejected key clears the failure of that key', async () => {
    const subject = await connected('Paused, rejected');
    control.setKeyState(subject.key('A'), 'revoked');
    await world.signal(subject.id, 'syncNow');
    await awaitsKey(subject.id);
    await world.signal(subject.id, 'pause');
    await becomes(subject.id, 'paused');
    expect((await shown(subject.id)).error?.code).toBe('key_invalid');
    await subject.rotate('B');
    await subject.has('A superseded', 'B active');
    expect((await shown(subject.id)).error).toBeNull();
    await world.signal(subject.id, 'resume');
    await subject.isWholeWith('B');
    expect(await subject.story('paused')).toEqual([
      'B serves from now on.',
      'The connection is active.',
      'A, replaced, is destroyed.',
    ]);
  });

  it('while degraded keeps both keys until a sync succeeds, and then the new one only', async () => {
    const subject = await connected('Degraded');
    control.fault({ kind: 'status', status: 529, times: 'always', report: 'cost', key: subject.key('A') });
    control.fault({ kind: 'status', status: 529, times: 'always', report: 'cost', key: subject.key('B') });
    await world.signal(subject.id, 'syncNow');
    await comes('degraded', async () => (await state(subject.id)).status === 'degraded');
    await subject.rotate('B');
    await subject.has('A superseded', 'B active');
    await comes('a sync with the new key to fail', async () => {
      const failed = (await syncs(subject.id)).filter(({ state: s }) => s === 'failed');
      return failed.length > 1;
    });
    expect(await subject.ring()).toEqual(['A superseded', 'B active']);
    expect(await shown(subject.id)).toMatchObject({ status: 'degraded', error: { code: 'upstream_unavailable' } });
    control.clearFaults();
    await subject.isWholeWith('B');
    expect((await subject.story('active')).filter((message) => !message.startsWith('Sync '))).toEqual([
      'The connection is degraded: Anthropic did not answer, or is unavailable.',
      ...REPLACED,
      'The connection is active.',
    ]);
  });

  it('while the connection awaits a key makes it work again, without a missing day', async () => {
    const subject = await connected('Rescue');
    control.setKeyState(subject.key('A'), 'revoked');
    await world.signal(subject.id, 'syncNow');
    await awaitsKey(subject.id);
    const asked = control.conduct().after_revocation;
    await passHours(73);
    // Probes after 1, 5 and 30 minutes, 2 hours, then daily, and no other request.
    expect(control.conduct().after_revocation - asked).toBeLessThanOrEqual(7);
    await subject.rotate('B');
    await subject.isWholeWith('B');
    const story = await subject.story('active');
    expect(story.filter((message) => message === STILL_REJECTED).length).toBeGreaterThanOrEqual(5);
    expect(story.filter((message) => message !== STILL_REJECTED)).toEqual([
      `Sync 2 (manual) failed with key_invalid: ${INVALID}`,
      ...CONFIRMED('A'),
      `The connection is awaiting_key: ${REJECTED}`,
      'B serves from now on.',
      'The connection is active.',
      'A, replaced, is destroyed.',
    ]);
  });

  it('to three keys at once tries them in their order, and the last one becomes active', async () => {
    const subject = await connected('Three');
    const staged = [await subject.stage('B'), await subject.stage('C'), await subject.stage('D')];
    for (const keyId of staged) await world.signal(subject.id, 'rotateKey', { keyId });
    await subject.isWholeWith('D');
    expect(await subject.ring()).toEqual(['A destroyed', 'B destroyed', 'C destroyed', 'D active']);
    const told = await subject.story('active');
    expect(told.slice(0, 3)).toEqual(['B serves from now on.', 'C serves from now on.', 'D serves from now on.']);
    expect(told.slice(3).sort()).toEqual([
      'A, replaced, is destroyed.',
      'B, replaced, is destroyed.',
      'C, replaced, is destroyed.',
    ]);
  });

  it('to three keys makes the second one active if Anthropic refuses the first and the last', async () => {
    const subject = await connected('Two refused');
    const staged = [await subject.stage('B'), await subject.stage('C'), await subject.stage('D')];
    control.setKeyState(subject.key('B'), 'revoked');
    control.setKeyState(subject.key('D'), 'forbidden');
    for (const keyId of staged) await world.signal(subject.id, 'rotateKey', { keyId });
    await subject.isWholeWith('C');
    expect(await subject.ring()).toEqual(['A destroyed', 'B refused', 'C active', 'D refused']);
    expect((await keys(subject.id)).map(({ failure }) => failure)).toEqual([
      null,
      'key_invalid',
      null,
      'key_forbidden',
    ]);
  });

  it('to the active key stores it anew', async () => {
    const subject = await connected('Same');
    await subject.rotate('A');
    await subject.has('A destroyed', 'A active');
    await subject.isWholeWith('A');
    expect(await subject.story('active')).toEqual(['A serves from now on.', 'A, replaced, is destroyed.']);
  });

  it.each([
    ['another organization', 'organization_mismatch', 'This key belongs to another organization than this connection.'],
    ['nobody', 'key_invalid', REJECTED],
  ] as const)('to a key of %s changes nothing', async (whose, code, why) => {
    const subject = await connected(`Stays ${code}`);
    const { key } = organizationOf(`Foreign ${code}`);
    if (whose === 'nobody') control.setKeyState(key, 'revoked');
    subject.know('F', key);
    await subject.rotate('F');
    await subject.has('A active', 'F refused');
    await passDays(subject.id, 1);
    await subject.isWholeWith('A');
    expect((await keys(subject.id))[1]?.failure).toBe(code);
    expect(await subject.story('active')).toEqual([`F is refused: ${why}`]);
  });
});

describe('the old key, revoked', () => {
  it('a moment before the rotation causes no failure', async () => {
    const subject = await connected('Before');
    control.setKeyState(subject.key('A'), 'revoked');
    await subject.rotate('B');
    await subject.isWholeWith('B');
    expect(await subject.story('active')).toEqual(REPLACED);
  });

  it('a moment after the rotation causes no failure', async () => {
    const subject = await connected('After');
    await subject.rotate('B');
    await subject.serves('B');
    control.setKeyState(subject.key('A'), 'revoked');
    await subject.isWholeWith('B');
    expect(await subject.story('active')).toEqual(REPLACED);
  });

  it('in the middle of the read that uses it is retried with the new one, and no sync fails', async () => {
    const subject = new Subject('Mid-read');
    // Two days a page, so that more requests follow the held one.
    control.paging({ maxBucketsPerPage: 2 });
    holdReadOf(subject.key('A'));
    await subject.connect();
    await isHeld();
    await subject.rotate('B');
    await subject.serves('B');
    control.setKeyState(subject.key('A'), 'revoked');
    const before = control.conduct().after_revocation;
    control.clearFaults();
    await subject.isWholeWith('B');
    control.paging({ maxBucketsPerPage: null });
    expect(control.conduct().after_revocation - before).toBe(1);
    expect((await syncs(subject.id)).every(({ state: s }) => s === 'succeeded')).toBe(true);
    expect(await subject.story('backfilling')).toEqual([
      'B serves from now on.',
      'The connection is active.',
      'A, replaced, is destroyed.',
    ]);
  });

  it('in the middle of a read without a candidate keeps the committed days until another key comes', async () => {
    const subject = new Subject('Mid-read, alone');
    // The first day comes alone, and the others a day a page, so that more requests follow the held one.
    control.paging({ maxBucketsPerPage: 1 });
    control.fault({ kind: 'hold', report: 'cost', grouped: true, key: subject.key('A'), page: 2 });
    await subject.connect();
    await isHeld();
    control.setKeyState(subject.key('A'), 'revoked');
    control.clearFaults();
    await awaitsKey(subject.id);
    const { days } = await state(subject.id);
    expect(days).toBeGreaterThan(0);
    expect(days).toBeLessThan(5);
    await subject.rotate('B');
    await subject.isWholeWith('B');
    control.paging({ maxBucketsPerPage: null });
    expect(await subject.story('backfilling')).toEqual([
      `Sync 1 (backfill) failed with key_invalid: ${INVALID}`,
      ...CONFIRMED('A'),
      `The connection is awaiting_key: ${REJECTED}`,
      'B serves from now on.',
      'The connection is backfilling.',
      'A, replaced, is destroyed.',
      'The connection is active.',
    ]);
  });
});

describe('the new key, rejected before its first success', () => {
  it('is refused, and the old one becomes active again', async () => {
    const subject = await connected('Back');
    // Anthropic accepts the key at its first request, and rejects it from the second on.
    control.fault({ kind: 'unauthorized', key: subject.key('B'), after: 1, times: 'always' });
    await subject.rotate('B');
    await subject.has('A active', 'B refused');
    await subject.isWholeWith('A', 'key_invalid');
    expect(await subject.story('active')).toEqual([
      'B serves from now on.',
      `Sync 2 (daily) failed with key_invalid: ${INVALID}`,
      ...CONFIRMED('B'),
      'B was rejected before its first success; A serves again.',
      'The connection is active.',
    ]);
    await passDays(subject.id, 1);
    // The API shows that the rotation was undone, until the next one.
    await subject.isWholeWith('A', 'key_invalid');
    const { error } = await shown(subject.id);
    expect(error?.detail).toBe(
      `Key …${subject.key('B').slice(-4)} was rejected before its first success; key …${subject.key('A').slice(-4)} serves again.`,
    );
    await subject.rotate('C');
    await subject.isWholeWith('C');
    await record(world.client, 'connection-restored', connectionWorkflowId(subject.id));
  });

  it('with the old one revoked too makes the connection await a key, and the next rotation ends that', async () => {
    const subject = await connected('Both bad');
    control.setKeyState(subject.key('A'), 'revoked');
    control.fault({ kind: 'unauthorized', key: subject.key('B'), after: 1, times: 'always' });
    await subject.rotate('B');
    await awaitsKey(subject.id);
    expect(await subject.ring()).toEqual(['A active', 'B refused']);
    expect(await shown(subject.id)).toMatchObject({
      error: { code: 'key_invalid' },
      key: { hint: subject.key('A').slice(-4) },
    });
    await passHours(49);
    await subject.rotate('C');
    await subject.isWholeWith('C');
    expect(await subject.ring()).toEqual(['A destroyed', 'B refused', 'C active']);
    expect((await subject.story('active')).filter((message) => message !== STILL_REJECTED)).toEqual([
      'B serves from now on.',
      `Sync 2 (daily) failed with key_invalid: ${INVALID}`,
      ...CONFIRMED('B'),
      'B was rejected before its first success; A serves again.',
      'The connection is active.',
      `Sync 3 (daily) failed with key_invalid: ${INVALID}`,
      ...CONFIRMED('A'),
      `The connection is awaiting_key: ${REJECTED}`,
      'C serves from now on.',
      'The connection is active.',
      'A, replaced, is destroyed.',
    ]);
  });
});

/** How often a connection's candidate was tried, and when the next try is due (ms). */
async function nextTryOf(id: string): Promise<{ tries: number; dueMs: number }> {
  const { tries, at } = await row<{ tries: number; at: string }>(
    db,
    sql`select tries, ${epochMs(sql`tried_at`)} as at from keys where connection_id = ${id} and state = 'candidate'`,
  );
  return { tries, dueMs: Number(at) + backoffMs(tries) };
}

describe('a candidate that Anthropic gives no verdict on', () => {
  it.each<[string, Partial<FaultInput> & Pick<FaultInput, 'kind'>, string]>([
    ['503s', { kind: 'status', status: 503 }, 'Anthropic did not answer, or is unavailable.'],
    ['429s', { kind: 'rate_limited', retryAfter: 0 }, "This organization has reached Anthropic's rate limit."],
    ['broken connections', { kind: 'reset' }, 'Anthropic did not answer, or is unavailable.'],
    [
      'nonsense',
      { kind: 'html_ok' },
      'Something between Meterline and Anthropic refused the request or answered in place of Anthropic. This is no verdict on the key.',
    ],
  ])(
    'but %s stays a candidate, is tried again, and becomes active once Anthropic accepts it',
    async (_what, failure, why) => {
      const subject = await connected(`No verdict ${failure.kind}`);
      control.fault({ ...failure, times: 'always', key: subject.key('B') });
      await subject.rotate('B');
      await comes('a second try', async () => {
        const { tries } = await row<{ tries: number }>(
          db,
          sql`select max(tries) as tries from keys where connection_id = ${subject.id}`,
        );
        return tries > 1;
      });
      expect(await subject.ring()).toEqual(['A active', 'B candidate']);
      expect(await shown(subject.id)).toMatchObject({ status: 'active', error: null });
      control.clearFaults();
      await subject.isWholeWith('B');
      expect(await subject.story('active')).toEqual([`${UNANSWERED}${why}`, ...REPLACED]);
    },
  );

  it('is tried hourly in the end, while the old key keeps reading', async () => {
    const subject = await connected('Through the night');
    await passHours(17);
    control.fault({ kind: 'status', status: 503, times: 'always', key: subject.key('B') });
    await subject.rotate('B');
    await comes('a try without an answer', async () => (await keys(subject.id))[1]?.failure === 'upstream_unavailable');
    await db.execute(sql`update keys set tries = 40 where connection_id = ${subject.id} and state = 'candidate'`);
    await passHours(3);
    await becomes(subject.id, 'active');
    expect(await subject.ring()).toEqual(['A active', 'B candidate']);
    expect((await syncs(subject.id)).map(({ kind, state: s }) => `${kind} ${s}`)).toEqual([
      'backfill succeeded',
      'daily succeeded',
    ]);
    await expectExact(subject.id, subject.organization, subject.began, await workflowDay());
    const { tries, dueMs } = await nextTryOf(subject.id);
    expect(tries - 40).toBeGreaterThan(0);
    expect(tries - 40).toBeLessThanOrEqual(4);
    const { error, next_sync_at } = await shown(subject.id);
    expect([error, Date.parse(next_sync_at ?? '')]).toEqual([null, dueMs]);
    control.clearFaults();
    await passHours(1);
    await subject.isWholeWith('B');
    expect((await subject.story('active')).slice(1)).toEqual(REPLACED);
  });

  it('while the old key is rejected keeps the connection degraded, and it does not await another key', async () => {
    const subject = await connected('Rejected meanwhile');
    control.fault({ kind: 'status', status: 503, times: 'always', key: subject.key('B') });
    await subject.rotate('B');
    await comes('a try without an answer', async () => (await keys(subject.id))[1]?.failure === 'upstream_unavailable');
    control.setKeyState(subject.key('A'), 'revoked');
    await world.signal(subject.id, 'syncNow');
    await becomes(subject.id, 'degraded');
    await settles(subject.id);
    const { error, next_sync_at } = await shown(subject.id);
    expect([error?.code, Date.parse(next_sync_at ?? '')]).toEqual(['key_invalid', (await nextTryOf(subject.id)).dueMs]);
    control.clearFaults();
    await subject.isWholeWith('B');
    expect((await subject.story('active')).slice(1)).toEqual([
      `Sync 2 (manual) failed with key_invalid: ${INVALID}`,
      `The connection is degraded: ${REJECTED}`,
      'B serves from now on.',
      'The connection is active.',
      'A, replaced, is destroyed.',
    ]);
  });

  it('that Anthropic refuses while the old key is rejected leaves a connection that awaits a key', async () => {
    const subject = await connected('Refused in the end');
    control.fault({ kind: 'status', status: 503, times: 'always', key: subject.key('B') });
    await subject.rotate('B');
    await comes('a try without an answer', async () => (await keys(subject.id))[1]?.failure === 'upstream_unavailable');
    control.setKeyState(subject.key('A'), 'revoked');
    control.setKeyState(subject.key('B'), 'revoked');
    await world.signal(subject.id, 'syncNow');
    await becomes(subject.id, 'degraded');
    control.clearFaults();
    await awaitsKey(subject.id);
    expect(await subject.ring()).toEqual(['A active', 'B refused']);
    await subject.rotate('C');
    await subject.isWholeWith('C');
  });

  it('is overtaken by a later candidate that is accepted first', async () => {
    const subject = await connected('Overtaken');
    control.fault({ kind: 'status', status: 503, times: 'always', key: subject.key('B') });
    const overtaken = await subject.rotate('B');
    await comes('a try without an answer', async () => (await keys(subject.id))[1]?.failure === 'upstream_unavailable');
    await subject.rotate('C');
    await subject.isWholeWith('C');
    await world.signal(subject.id, 'rotateKey', { keyId: overtaken });
    await settles(subject.id);
    expect((await subject.story('active')).slice(1)).toEqual([
      'C serves from now on.',
      'B is destroyed: Anthropic accepted the later C first.',
      'A, replaced, is destroyed.',
      'rotateKey: B was destroyed because Anthropic accepted a later key first, so nothing changed',
    ]);
  });
});

async function inboxOf(id: string): Promise<number> {
  return (await world.client.workflow.getHandle(connectionWorkflowId(id)).query(statusQuery)).inbox;
}

describe('a repeated rotation signal', () => {
  it('before the first one is carried out counts once', async () => {
    const subject = await connected('Twice at once');
    control.fault({ kind: 'hold', report: 'organization', key: subject.key('B') });
    const keyId = await subject.rotate('B');
    await isHeld();
    await world.signal(subject.id, 'rotateKey', { keyId });
    await until('the second signal to come', async () => (await inboxOf(subject.id)) === 2);
    control.clearFaults();
    await subject.isWholeWith('B');
    expect(await subject.story('active')).toEqual(REPLACED);
  });

  it('afterwards changes nothing, and says whether the key is active, refused or replaced', async () => {
    const subject = await connected('Twice');
    const again = async (keyId: string, fate: string): Promise<void> => {
      await world.signal(subject.id, 'rotateKey', { keyId });
      await until(fate, async () => (await subject.story()).at(-1) === `rotateKey: ${fate}, so nothing changed`);
    };
    const replaced = await subject.rotate('B');
    await subject.isWholeWith('B');
    await again(replaced, 'B is in use already');
    control.setKeyState(subject.key('C'), 'revoked');
    const refused = await subject.rotate('C');
    await subject.has('A destroyed', 'B active', 'C refused');
    await again(refused, 'C was refused with key_invalid');
    await subject.rotate('D');
    await subject.isWholeWith('D');
    await again(replaced, 'B was replaced by a later key and is destroyed');
    await again('00000000-0000-4000-8000-000000000000', 'this connection has no key with this id');
    await subject.isWholeWith('D');
  });

  it('after its candidate expired says so', async () => {
    const subject = await connected('Forgotten');
    const keyId = await subject.stage('B');
    await db.execute(sql`update keys set added_at = added_at - interval '23 hours' where id = ${keyId}`);
    const deps = { db, client: world.client, taskQueue: world.taskQueue };
    await keepConnections(deps);
    expect((await subject.ring()).sort()).toEqual(['A active', 'B candidate']);
    await db.execute(sql`update keys set added_at = added_at - interval '2 hours' where id = ${keyId}`);
    await keepConnections(deps);
    expect((await subject.ring()).sort()).toEqual(['A active', 'B destroyed']);
    await world.signal(subject.id, 'rotateKey', { keyId });
    await until('two events', async () => (await subject.story('active')).length === 2);
    expect(await subject.story('active')).toEqual([
      'B was a candidate that nobody used for 24 hours; it is destroyed.',
      'rotateKey: B was not used in time and is destroyed, so nothing changed',
    ]);
    await subject.isWholeWith('A');
  });
});
