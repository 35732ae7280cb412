import { randomUUID } from 'node:crypto';
import { addDays, dayOf, daysIn, startOfDayMs, type Day } from '../../../domain/days.ts';
import { nextDueMs } from '../../../domain/connection/schedule.ts';
import { keepConnections } from '../../../worker/keeper.ts';
import { connectionWorkflowId } from '../../../workflows/messages.ts';
import { until } from '../../support/wait.ts';
import type { World } from '../../support/world.ts';
import { PATIENCE_MS, becomesStill, change, isIdle, tell } from './act.ts';
import { complaintsOf } from './check.ts';
import type { Order, RoundPlan, Sequence, Turn } from './commands.ts';
import { Life, type Round } from './life.ts';
import type { Observer, Seen } from './observe.ts';
import { Revisions } from './revisions.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const SYNC_HOUR_UTC = 6;
/** Longer than any wait after a failure, of those that there can be in so short a time. */
const MOMENT_MS = 3 * MINUTE_MS;
/** The time of workflows goes on while they work; Anthropic's day must not be over later than theirs. */
const AHEAD_MS = 5 * MINUTE_MS;
/** A connection that has nothing to do, and of which nothing was heard for so long, stays as it is. */
const STILL_MS = 5_000;

/** A connection is not as the model says. */
export class ModelError extends Error {
  override readonly name = 'ModelError';
  constructor(
    readonly life: Life,
    readonly round: Round,
    readonly complaints: readonly string[],
  ) {
    super(`sequence ${life.index}, ${round.name}: ${complaints.join('; ')}`);
  }
}

/** Connections that live side by side in one world: time and the end of failures are the same for all. */
export class Batch {
  readonly lives: Life[] = [];
  readonly #world: World;
  readonly #observer: Observer;

  constructor(world: World, observer: Observer) {
    this.#world = world;
    this.#observer = observer;
  }

  /** Connects an organization of its own for each sequence. */
  async begin(numbered: readonly { index: number; sequence: Sequence }[]): Promise<void> {
    const { simulator } = this.#world;
    const nowMs = await this.#world.now();
    const today = dayOf(nowMs);
    this.#setClock(nowMs + MOMENT_MS);
    for (const { index, sequence } of numbered) {
      const name = `Sequence ${index}`;
      const organization = simulator.control.addOrganization({ name, keys: [{}] }).id;
      const began = addDays(today, 1 - sequence.backfillDays);
      const revisions = new Revisions(simulator, organization);
      this.lives.push(new Life(index, sequence, organization, began, revisions));
    }
    const keys = new Map(simulator.control.keys().map(({ organization, key }) => [organization, key]));
    const reference = randomUUID();
    await Promise.all(
      this.lives.map(async (life) => {
        const key = keys.get(life.organization) ?? '';
        const { start, backfillDays } = life.sequence;
        life.setAnthropic(key, start === 'revoked' ? 'revoked' : 'active');
        if (start === 'revoked') simulator.control.setKeyState(key, 'revoked');
        if (start === 'unanswered') {
          change(this.#world, life, { do: 'fail', failure: { kind: 'status', status: 503, times: 'always' } }, today);
        }
        this.#capture(life);
        life.id = await this.#world.connect({
          key,
          backfillDays,
          name: `Sequence ${life.index}`,
          today,
          id: idNear(nowMs, reference),
        });
        const [first] = (await this.#look([life])).get(life)?.keys ?? [];
        if (first === undefined) throw new Error('a connection without a key');
        life.secrets.set(first.id, key);
        life.asked.push(first.id);
      }),
    );
    await this.#world.pass(`${MOMENT_MS} ms`);
    await this.#settle({ name: 'the connecting', toldOn: today, dueOn: null, hours: 0 });
  }

  /** One round: what happens at Anthropic, then what people do, then time, then the look at what became of it. */
  async play(number: number, plan: RoundPlan): Promise<void> {
    const turns = new Map(this.lives.map((life) => [life, life.sequence.turns[number] ?? { changes: [], orders: [] }]));
    const world = this.#world;
    const nowMs = await world.now();
    const today = dayOf(nowMs);
    const endMs = endOf(plan.step, nowMs);
    const rejectedBefore = this.#rejected();
    if (plan.calm) world.simulator.control.clearFaults();
    this.#setClock(endMs);
    for (const [life, { changes }] of turns) {
      life.beginRound(plan.calm);
      if (life.ended === null) for (const what of changes) change(world, life, what, today);
      this.#capture(life);
    }
    await this.#tell(turns, today);
    await this.#pass(nowMs, endMs);
    const times = this.#timesOf(nowMs, endMs);
    await this.#settle({ name: `round ${number} (${plan.step})`, ...times });
    this.#checkPatience(turns, this.#rejected() - rejectedBefore, times.hours);
  }

  async #tell(turns: ReadonlyMap<Life, Turn>, today: Day): Promise<void> {
    await this.#terminate([...turns].filter(([, { orders }]) => orders.some(isEnd)).map(([life]) => life));
    await Promise.all(
      [...turns].map(async ([life, { orders }]) => {
        for (const order of orders) if (order.do !== 'terminate') await tell(this.#world, life, order, today);
      }),
    );
  }

  #rejected(): number {
    const { by_status: count } = this.#world.simulator.control.requests();
    return (count['401'] ?? 0) + (count['403'] ?? 0);
  }

  /**
   * A rejected key is asked for three times in a sync, once to confirm it, after 1, 5, 30 minutes and 2 hours, then once a
   * day, and once by each thing that people ask; never in a loop.
   */
  #checkPatience(turns: ReadonlyMap<Life, Turn>, rejected: number, hours: number): void {
    let allowed = 0;
    for (const [life, { orders }] of turns) {
      if ([...life.anthropic.values()].some((state) => state !== 'active')) {
        allowed += 12 + 5 * orders.length + Math.ceil(hours / 24);
      }
    }
    if (rejected > allowed)
      throw new Error(`${rejected} requests were made with rejected keys, at most ${allowed} may be`);
  }

  /** All failures end, everybody has a good key and nobody is paused; then a day passes. All must be exact. */
  async finish(): Promise<void> {
    const world = this.#world;
    const nowMs = await world.now();
    const today = dayOf(nowMs);
    const endMs = nextDueMs(this.lives[0]?.id ?? '', SYNC_HOUR_UTC, nowMs + MOMENT_MS) + HOUR_MS;
    world.simulator.control.clearFaults();
    this.#setClock(endMs);
    for (const life of this.lives) {
      life.beginRound(true);
      this.#capture(life);
    }
    await world.pass(`${MOMENT_MS} ms`);
    await Promise.all(
      this.lives.map(async (life) => {
        if (life.paused) await tell(world, life, { do: 'resume' }, today);
        if (!life.isGood(life.heir))
          await tell(world, life, { do: 'rotate', to: 'good', thenRevoke: 'nothing' }, today);
        life.quiet = true;
      }),
    );
    await this.#pass(await world.now(), endMs);
    await this.#settle({ name: 'the last day', ...this.#timesOf(nowMs, endMs) });
  }

  /** Ends every connection that lives still. */
  async end(): Promise<void> {
    const today = dayOf(await this.#world.now());
    await Promise.all(
      this.lives.map(async (life) => {
        life.beginRound(true);
        await tell(this.#world, life, { do: 'disconnect', purge: life.index % 2 === 0 }, today);
      }),
    );
    await this.#settle({ name: 'the end', toldOn: today, dueOn: null, hours: 0 });
  }

  #setClock(ms: number): void {
    this.#world.simulator.control.clock({ now: ms + AHEAD_MS });
  }

  #capture(life: Life): void {
    const to = addDays(dayOf(Date.parse(this.#world.simulator.control.clock().now)), 1);
    life.revisions.capture(life.began, to, daysIn({ from: life.began, to }));
  }

  /** Failures do not last longer than a moment: each would be tried again every minute, for nothing. */
  async #pass(fromMs: number, toMs: number): Promise<void> {
    await this.#world.pass(`${MOMENT_MS} ms`);
    const restMs = toMs - (await this.#world.now());
    if (restMs <= 0) return;
    if (toMs - fromMs > 2 * MOMENT_MS) {
      this.#world.simulator.control.clearFaults();
      for (const life of this.lives) life.failing = false;
    }
    await this.#world.pass(`${restMs} ms`);
  }

  #timesOf(nowMs: number, endMs: number): Omit<Round, 'name'> {
    const first = this.lives[0]?.id ?? '';
    const dueMs = nextDueMs(first, SYNC_HOUR_UTC, endMs) - DAY_MS;
    return { toldOn: dayOf(nowMs), dueOn: dueMs > nowMs ? dayOf(dueMs) : null, hours: (endMs - nowMs) / HOUR_MS };
  }

  async #terminate(lives: readonly Life[]): Promise<void> {
    const { client, database, taskQueue } = this.#world;
    let ended = 0;
    for (const life of lives) {
      if (life.ended !== null || !(await becomesStill(this.#world, life))) continue;
      ended += 1;
      await client.workflow.getHandle(connectionWorkflowId(life.id)).terminate('as a person would by hand');
      // What waited in its inbox is lost with it.
      life.wishes = [];
    }
    if (ended > 0) await keepConnections({ db: database.db, client, taskQueue });
  }

  async #look(lives: readonly Life[]): Promise<ReadonlyMap<Life, Seen>> {
    const seen = await this.#observer.look(lives.map(({ id }) => id));
    const found = lives.map((life): [Life, Seen] => {
      const told = seen.get(life.id);
      if (told === undefined) throw new Error('no such connection');
      return [life, told];
    });
    return new Map(found);
  }

  /** Waits until all is as the model says. What is wrong stays wrong once a connection has been still for a while. */
  async #settle(round: Round): Promise<void> {
    let left: readonly Life[] = this.lives;
    const still = new Map<Life, { state: string; sinceMs: number }>();
    await until(
      'the connections to be as the model says',
      async () => {
        const wrong: Life[] = [];
        for (const [life, seen] of await this.#look(left)) {
          const complaints = complaintsOf(life, seen, round);
          if (complaints.length === 0) {
            life.adopt(seen);
            continue;
          }
          wrong.push(life);
          const state = [...complaints, await this.#lengthOf(life)].join('; ');
          const before = still.get(life);
          if (before?.state !== state) still.set(life, { state, sinceMs: Date.now() });
          else if (await this.#staysSo(life, Date.now() - before.sinceMs))
            throw new ModelError(life, round, complaints);
        }
        left = wrong;
        return wrong.length === 0;
      },
      2 * PATIENCE_MS,
    );
  }

  /** Whether a connection that has been the same for a while will not change by itself: a slow machine is no verdict. */
  async #staysSo(life: Life, forMs: number): Promise<boolean> {
    if (forMs > PATIENCE_MS) return true;
    return forMs > STILL_MS && (await isIdle(this.#world, life));
  }

  async #lengthOf(life: Life): Promise<string> {
    const { runId, historyLength } = await this.#world.client.workflow
      .getHandle(connectionWorkflowId(life.id))
      .describe();
    return `${historyLength} events of ${runId}`;
  }
}

/** An id whose daily sync is due within a second of another's, so that all connections are at work at the same time. */
function idNear(nowMs: number, other: string): string {
  for (;;) {
    const id = randomUUID();
    const apartMs = nextDueMs(id, SYNC_HOUR_UTC, nowMs) - nextDueMs(other, SYNC_HOUR_UTC, nowMs);
    if (apartMs >= 0 && apartMs < 1_000) return id;
  }
}

function isEnd(order: Order): boolean {
  return order.do === 'terminate';
}

function endOf(step: RoundPlan['step'], nowMs: number): number {
  switch (step) {
    case 'moment':
      return nowMs + MOMENT_MS;
    case 'hours':
      return nowMs + 5 * HOUR_MS;
    case 'midnight':
      return startOfDayMs(addDays(dayOf(nowMs), 1)) + 10 * MINUTE_MS;
    case 'day':
      return nowMs + DAY_MS + MOMENT_MS;
  }
}
