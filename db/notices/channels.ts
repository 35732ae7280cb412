import { randomUUID } from 'node:crypto';
import { and, desc, eq, inArray, isNull, lt, sql } from 'drizzle-orm';
import { z } from 'zod';
import type { ChannelKind } from '../../domain/notices/deliveries.ts';
import type { Subscriptions } from '../../domain/notices/subscriptions.ts';
import { PAGERDUTY_REGIONS, hostOf, type PagerDutyRegion } from '../../domain/notices/targets.ts';
import { databaseFailure, textArray, type Db } from '../core/database.ts';
import { parseAnswer } from '../core/json.ts';
import { addDeploymentEvent } from '../deployment/events.ts';
import type { KeyRing, Sealed } from '../keys/key-ring.ts';
import { failWaiting } from './ends.ts';
import { channelAddresses, channels } from './tables.ts';

/** Where a channel leads. All but mail addresses is secret. */
export type ChannelTarget =
  | { readonly kind: 'email'; readonly to: readonly string[] }
  | { readonly kind: 'slack' | 'teams'; readonly url: string }
  /** The newest secret first; the one before signs too, so that the receiver can change over. */
  | { readonly kind: 'webhook'; readonly url: string; readonly secrets: readonly string[] }
  | { readonly kind: 'pagerduty'; readonly routingKey: string; readonly region: PagerDutyRegion };

/** A channel as it may be shown, without its secrets. */
export interface ChannelInfo {
  readonly id: string;
  readonly no: number;
  readonly name: string;
  readonly kind: ChannelKind;
  readonly hint: string;
  readonly addresses: readonly { readonly address: string; readonly unsubscribedAt: Date | null }[];
  readonly subscriptions: Subscriptions;
  readonly createdAt: Date;
  readonly disabledAt: Date | null;
  readonly disabledReason: string | null;
}

/** Another channel has this name. */
export class ChannelNameTakenError extends Error {
  override readonly name = 'ChannelNameTakenError';
  constructor() {
    super('Another channel has this name.');
  }
}

const secretJson = z.union([
  z.strictObject({ url: z.string() }),
  z.strictObject({ url: z.string(), secrets: z.array(z.string()).min(1) }),
  z.strictObject({ routingKey: z.string(), region: z.enum(PAGERDUTY_REGIONS) }),
]);

/** Stores a channel, its secrets sealed, and records who made it. Returns its id. Throws {@link ChannelNameTakenError}. */
export async function createChannel(
  db: Db,
  ring: KeyRing,
  channel: { name: string; target: ChannelTarget; subscriptions: Subscriptions; actor: string },
): Promise<string> {
  const { name, target, subscriptions, actor } = channel;
  const id = randomUUID();
  return naming(async () => {
    await db.transaction(async (tx) => {
      const { kind } = target;
      await tx
        .insert(channels)
        .values({ id, name, kind, subscriptions, hint: hintOf(target), ...sealedOf(ring, id, target) });
      if (target.kind === 'email') await setAddresses(tx, id, target.to);
      const message = `Channel "${name}" (${id}) is created: ${kind} to ${hintOf(target)}.`;
      await addDeploymentEvent(tx, { type: 'channel_created', actor, message });
    });
    return id;
  });
}

/** What changes about a channel. What is not given stays. */
export interface ChannelChange {
  readonly name?: string | undefined;
  readonly target?: ((before: ChannelTarget) => ChannelTarget) | undefined;
  readonly subscriptions?: Subscriptions | undefined;
  /** False stops it, true lets it go on, also after the other side said that it is gone. */
  readonly enabled?: boolean | undefined;
}

/**
 * Changes a channel and records who did. False if it does not exist or is deleted. Throws {@link ChannelNameTakenError}, and
 * SecretUnreadableError if its secret is to change and does not open.
 */
export async function changeChannel(
  db: Db,
  ring: KeyRing,
  id: string,
  { name, target, subscriptions, enabled }: ChannelChange,
  actor: string,
): Promise<boolean> {
  return naming(() =>
    db.transaction(async (tx) => {
      const [stored] = await tx
        .select()
        .from(channels)
        .where(and(eq(channels.id, id), isNull(channels.deletedAt)))
        .for('update');
      if (stored === undefined) return false;
      const next = target?.(await targetOf(tx, ring, stored));
      const changed: Partial<typeof channels.$inferInsert> = {
        ...(name === undefined ? {} : { name }),
        ...(subscriptions === undefined ? {} : { subscriptions }),
        ...(next === undefined ? {} : { hint: hintOf(next), ...sealedOf(ring, id, next) }),
        ...(enabled === true ? { disabledAt: null, disabledReason: null } : {}),
        ...(enabled === false ? { disabledAt: new Date(), disabledReason: `Disabled by ${actor}.` } : {}),
      };
      if (Object.keys(changed).length > 0) await tx.update(channels).set(changed).where(eq(channels.id, id));
      if (next?.kind === 'email') await setAddresses(tx, id, next.to);
      const parts = Object.entries({ name, target, subscriptions, enabled }).filter(([, value]) => value !== undefined);
      const what = parts.map(([part]) => (part === 'enabled' ? (enabled === true ? 'enabled' : 'disabled') : part));
      const message = `Channel "${name ?? stored.name}" (${id}) is changed: ${what.join(', ')}.`;
      await addDeploymentEvent(tx, { type: 'channel_changed', actor, message });
      return true;
    }),
  );
}

/** Deletes a channel and its secrets, and ends the deliveries that wait for it. False if there is none. */
export async function deleteChannel(db: Db, id: string, actor: string): Promise<boolean> {
  return db.transaction(async (tx) => {
    const deleted = await tx
      .update(channels)
      .set({ deletedAt: sql`now()`, sealed: null, encryptionKeyId: null, turn: null, turnUntil: null })
      .where(and(eq(channels.id, id), isNull(channels.deletedAt)))
      .returning({ name: channels.name });
    const [channel] = deleted;
    if (channel === undefined) return false;
    await tx.delete(channelAddresses).where(eq(channelAddresses.channelId, id));
    const waiting = await failWaiting(tx, id, `The channel was deleted by ${actor}.`);
    const message = `Channel "${channel.name}" (${id}) is deleted; ${waiting} deliveries that waited for it ended.`;
    await addDeploymentEvent(tx, { type: 'channel_deleted', actor, message });
    return true;
  });
}

/** Disables a channel whose other side says that it is gone. Whoever made it enables it again. */
export async function disableGone(db: Db, id: string, reason: string): Promise<void> {
  await db.transaction(async (tx) => {
    const disabled = await tx
      .update(channels)
      .set({ disabledAt: sql`now()`, disabledReason: reason })
      .where(and(eq(channels.id, id), isNull(channels.deletedAt), isNull(channels.disabledAt)))
      .returning({ name: channels.name });
    for (const { name } of disabled) {
      const message = `Channel "${name}" (${id}) is disabled: ${reason}`;
      await addDeploymentEvent(tx, { type: 'channel_disabled', actor: 'meterline', message });
    }
  });
}

/** Records that an address takes no more mail from a channel. False if the channel does not have the address. */
export async function unsubscribe(db: Db, channelId: string, address: string): Promise<boolean> {
  return db.transaction(async (tx) => {
    const found = await tx
      .update(channelAddresses)
      .set({ unsubscribedAt: sql`coalesce(${channelAddresses.unsubscribedAt}, now())` })
      .where(
        and(
          eq(channelAddresses.channelId, channelId),
          eq(sql`lower(${channelAddresses.address})`, address.toLowerCase()),
        ),
      )
      // Whoever clicks again changes nothing, and leaves no second event.
      .returning({
        isFirst: sql<boolean>`${channelAddresses.unsubscribedAt} = now()`,
        address: channelAddresses.address,
      });
    for (const { isFirst, address: stored } of found) {
      if (!isFirst) continue;
      const message = `${stored} unsubscribed from the channel ${channelId}.`;
      await addDeploymentEvent(tx, { type: 'channel_unsubscribed', actor: 'meterline', message });
    }
    return found.length > 0;
  });
}

/** The channels that are not deleted, newest first; `after` is the `no` of the last one seen. */
export async function listChannels(db: Db, page: { after: number | null; limit: number }): Promise<ChannelInfo[]> {
  const found = await db
    .select(INFO)
    .from(channels)
    .where(and(isNull(channels.deletedAt), page.after === null ? undefined : lt(channels.no, page.after)))
    .orderBy(desc(channels.no))
    .limit(page.limit);
  return withAddresses(db, found);
}

/** A channel; null if it does not exist or is deleted. */
export async function findChannel(db: Db, id: string): Promise<ChannelInfo | null> {
  const found = await db
    .select(INFO)
    .from(channels)
    .where(and(eq(channels.id, id), isNull(channels.deletedAt)));
  return (await withAddresses(db, found))[0] ?? null;
}

const INFO = {
  id: channels.id,
  no: channels.no,
  name: channels.name,
  kind: channels.kind,
  hint: channels.hint,
  subscriptions: channels.subscriptions,
  createdAt: channels.createdAt,
  disabledAt: channels.disabledAt,
  disabledReason: channels.disabledReason,
};

async function withAddresses(db: Db, found: readonly Omit<ChannelInfo, 'addresses'>[]): Promise<ChannelInfo[]> {
  if (found.length === 0) return [];
  const addresses = await db
    .select({
      channelId: channelAddresses.channelId,
      address: channelAddresses.address,
      unsubscribedAt: channelAddresses.unsubscribedAt,
    })
    .from(channelAddresses)
    .where(
      inArray(
        channelAddresses.channelId,
        found.map(({ id }) => id),
      ),
    )
    .orderBy(channelAddresses.no);
  return found.map((channel) => ({
    ...channel,
    addresses: addresses.filter(({ channelId }) => channelId === channel.id),
  }));
}

/** Where a channel leads. Throws SecretUnreadableError. */
export async function targetOf(
  db: Db,
  ring: KeyRing,
  {
    id,
    kind,
    sealed,
    encryptionKeyId,
  }: Pick<typeof channels.$inferSelect, 'id' | 'kind' | 'sealed' | 'encryptionKeyId'>,
): Promise<ChannelTarget> {
  if (kind === 'email') {
    const found = await db
      .select({ address: channelAddresses.address })
      .from(channelAddresses)
      .where(eq(channelAddresses.channelId, id))
      .orderBy(channelAddresses.no);
    return { kind, to: found.map(({ address }) => address) };
  }
  if (sealed === null || encryptionKeyId === null) throw new Error('a deleted channel leads nowhere');
  return openTarget(ring, id, kind, { sealed, encryptionKeyId });
}

/** The target of a channel that has a secret. Throws SecretUnreadableError. */
export function openTarget(
  ring: KeyRing,
  id: string,
  kind: Exclude<ChannelKind, 'email'>,
  sealed: Sealed,
): Exclude<ChannelTarget, { kind: 'email' }> {
  const secret = parseAnswer(secretJson, JSON.parse(ring.openSecret(sealed, id)));
  switch (kind) {
    case 'slack':
    case 'teams':
      if ('url' in secret) return { kind, url: secret.url };
      break;
    case 'webhook':
      if ('secrets' in secret) return { kind, ...secret };
      break;
    case 'pagerduty':
      if ('routingKey' in secret) return { kind, ...secret };
      break;
  }
  throw new Error(`the secret of a ${kind} channel has another form`);
}

function sealedOf(ring: KeyRing, id: string, target: ChannelTarget): Partial<Sealed> {
  switch (target.kind) {
    case 'email':
      return {};
    case 'slack':
    case 'teams':
      return ring.sealSecret(JSON.stringify({ url: target.url }), id);
    case 'webhook':
      return ring.sealSecret(JSON.stringify({ url: target.url, secrets: target.secrets }), id);
    case 'pagerduty':
      return ring.sealSecret(JSON.stringify({ routingKey: target.routingKey, region: target.region }), id);
  }
}

function hintOf(target: ChannelTarget): string {
  switch (target.kind) {
    case 'email':
      return target.to.length === 1 ? (target.to[0] ?? '') : `${target.to.length} addresses`;
    case 'slack':
    case 'teams':
    case 'webhook':
      return hostOf(target.url) ?? '';
    case 'pagerduty':
      return `…${target.routingKey.slice(-4)}${target.region === 'us' ? '' : ` (${target.region.toUpperCase()})`}`;
  }
}

/** An address that stays keeps that it unsubscribed. */
async function setAddresses(tx: Db, channelId: string, addresses: readonly string[]): Promise<void> {
  const kept = addresses.map((address) => address.toLowerCase());
  await tx
    .delete(channelAddresses)
    .where(
      and(
        eq(channelAddresses.channelId, channelId),
        sql`not lower(${channelAddresses.address}) = any(${textArray(kept)})`,
      ),
    );
  await tx
    .insert(channelAddresses)
    .values(addresses.map((address) => ({ channelId, address })))
    .onConflictDoNothing();
}

async function naming<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (databaseFailure(error)?.constraint === 'channels_one_by_name') throw new ChannelNameTakenError();
    throw error;
  }
}
