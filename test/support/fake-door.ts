import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import type { Db } from '../../db/core/database.ts';
import type { KeyRing } from '../../db/keys/key-ring.ts';
import { createChannel, type ChannelTarget } from '../../db/notices/channels.ts';
import { writeNotice } from '../../db/notices/outbox.ts';
import type { DeliveryState } from '../../domain/notices/deliveries.ts';
import { EVERYTHING } from '../../domain/notices/subscriptions.ts';
import type { Door, Message, Outcome, Target } from '../../notify/door.ts';
import { row } from './rows.ts';

/** A message that went out of the door. */
export interface Told {
  readonly target: Target;
  readonly message: Message;
}

/** Stands for the other side. It answers as a test says, and remembers what left. */
export class FakeDoor implements Door {
  /** What left. */
  readonly told: Told[] = [];
  /** How many messages were leaving at once, at most, by the place that they went to. */
  readonly most = new Map<string, number>();
  readonly #leaving = new Map<string, number>();
  /** What the other side answers. By default it takes everything. */
  answer: (message: Message, target: Target) => Outcome | Promise<Outcome> = () => ({ state: 'sent', reply: 'taken' });
  /** What happens before a message leaves, in place of nothing. */
  before: (message: Message) => Promise<void> = () => Promise.resolve();

  async tell(
    target: Target,
    message: Message,
    { beforeBody }: { beforeBody: () => Promise<void>; signal: AbortSignal },
  ): Promise<Outcome> {
    await this.before(message);
    await beforeBody();
    const place = JSON.stringify(target);
    const leaving = (this.#leaving.get(place) ?? 0) + 1;
    this.#leaving.set(place, leaving);
    this.most.set(place, Math.max(leaving, this.most.get(place) ?? 0));
    this.told.push({ target, message });
    try {
      return await this.answer(message, target);
    } finally {
      this.#leaving.set(place, (this.#leaving.get(place) ?? 1) - 1);
    }
  }

  /** How often a delivery left. */
  timesOf(deliveryId: string): number {
    return this.told.filter(({ message }) => message.deliveryId === deliveryId).length;
  }
}

/** Targets of each kind. */
export const TARGETS = {
  email: { kind: 'email', to: ['ops@example.com'] },
  slack: { kind: 'slack', url: 'https://hooks.example.com/services/CANARYcanary' },
  teams: { kind: 'teams', url: 'https://teams.example.com/workflows/CANARYcanary' },
  webhook: { kind: 'webhook', url: 'https://example.com/hook/CANARYcanary', secrets: [`whsec_${'CANARY'.repeat(8)}`] },
  pagerduty: { kind: 'pagerduty', routingKey: 'CANARY'.padEnd(32, 'x'), region: 'us' },
} as const satisfies Record<string, ChannelTarget>;

/** Makes a channel. Returns its id. */
export function channelOf(
  db: Db,
  ring: KeyRing,
  target: ChannelTarget,
  name = `${target.kind} ${randomUUID()}`,
): Promise<string> {
  return createChannel(db, ring, { name, target, subscriptions: EVERYTHING, actor: 'test' });
}

/** Writes a notice to one channel, and returns its deliveries. */
export async function writeTo(db: Db, channelId: string): Promise<string> {
  const key = randomUUID();
  const data = { channel: 'Here', asked_by: 'test' };
  const id = await writeNotice(db, {
    kind: 'test',
    dedupeKey: `test:${key}`,
    connectionId: null,
    data,
    onlyTo: [channelId],
  });
  const { delivery } = await row<{ delivery: string }>(
    db,
    sql`select id as delivery from deliveries where notice_id = ${id}`,
  );
  return delivery;
}

/** A delivery as it is stored. */
export function deliveryOf(
  db: Db,
  id: string,
): Promise<{ state: DeliveryState; tries: number; failures: number; words: string | null }> {
  return row(db, sql`select state, tries, failures, words from deliveries where id = ${id}`);
}
