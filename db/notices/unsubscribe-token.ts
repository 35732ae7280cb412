import { timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import type { KeyRing } from '../keys/key-ring.ts';

/** What the link at the end of a mail stands for. */
export interface Subscription {
  readonly channelId: string;
  readonly address: string;
}

const subscriptionJson = z.tuple([z.guid(), z.string()]);

/**
 * A token that ends this one subscription, without a login. It is signed with the first encryption key, and good as long
 * as the deployment has that key.
 */
export function unsubscribeToken(ring: KeyRing, { channelId, address }: Subscription): string {
  const plain = Buffer.from(JSON.stringify([channelId, address])).toString('base64url');
  return `${plain}.${ring.tags(signed(plain))[0].toString('base64url')}`;
}

/** The subscription that a token ends; null if nobody here signed it. */
export function subscriptionOf(ring: KeyRing, token: string): Subscription | null {
  const [plain = '', tag = ''] = token.split('.', 2);
  const given = Buffer.from(tag, 'base64url');
  const isSigned = ring
    .tags(signed(plain))
    .some((expected) => expected.length === given.length && timingSafeEqual(expected, given));
  if (!isSigned) return null;
  const [channelId, address] = subscriptionJson.parse(JSON.parse(Buffer.from(plain, 'base64url').toString()));
  return { channelId, address };
}

function signed(plain: string): string {
  return `unsubscribe ${plain}`;
}
