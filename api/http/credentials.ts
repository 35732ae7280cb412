import { timingSafeEqual } from 'node:crypto';
import type { Db } from '../../db/core/database.ts';
import type { KeyRing } from '../../db/keys/key-ring.ts';
import { findLinks } from '../../db/sessions/links.ts';
import { findSessions, type SessionInfo } from '../../db/sessions/sessions.ts';
import { hashToken, isWholeToken } from '../../db/tokens/secret.ts';
import { findTokens, type FoundToken } from '../../db/tokens/tokens.ts';
import { lookUpInBatches } from './batches.ts';

/** What may let a request in: tokens, sessions and links. Each look-up gives null for what is unknown or has ended. */
export interface Credentials {
  /** Whether a text is the token in `METERLINE_API_TOKEN`. */
  isBootstrap(token: string): boolean;
  /** Stands for the token in `METERLINE_API_TOKEN`, see `KeyRing.tags`. */
  readonly bootstrapTags: readonly [Buffer, ...Buffer[]];
  findToken(token: string): Promise<FoundToken | null>;
  findSession(secret: string): Promise<SessionInfo | null>;
  isUsableLink(linkToken: string): Promise<boolean>;
}

/** Texts that are no whole tokens of their kind are refused without a look-up. */
export function credentialsOf(db: Db, ring: KeyRing, apiToken: string): Credentials {
  const bootstrapHash = hashToken(apiToken);
  const bootstrapTags = ring.tags(apiToken);
  const lookUpToken = lookUpInBatches((hashes) => findTokens(db, hashes));
  const lookUpSession = lookUpInBatches((hashes) => findSessions(db, hashes, bootstrapTags));
  const lookUpLink = lookUpInBatches((hashes) => findLinks(db, hashes));
  return {
    isBootstrap: (token) => timingSafeEqual(hashToken(token), bootstrapHash),
    bootstrapTags,
    findToken: async (token) => (isWholeToken(token) ? lookUpToken(hashToken(token)) : null),
    findSession: async (secret) => (isWholeToken(secret, 'session') ? lookUpSession(hashToken(secret)) : null),
    isUsableLink: async (link) => isWholeToken(link, 'link') && (await lookUpLink(hashToken(link))) !== null,
  };
}
