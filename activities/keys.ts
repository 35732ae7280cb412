import { Context } from '@temporalio/activity';
import { AnthropicError } from '../anthropic/failure.ts';
import { readOrganization } from '../anthropic/organization.ts';
import { recordAcceptance, recordProbe, recordRejection } from '../db/connections/failure.ts';
import { refuseKey } from '../db/keys/candidates.ts';
import { openActiveKey, openCandidate } from '../db/keys/open.ts';
import { acceptKey } from '../db/keys/activate.ts';
import { FAILURES, isKeyFailure, type Failure } from '../domain/failures.ts';
import type { Dependencies } from './dependencies.ts';
import { failureFrom } from './failures.ts';
import { whileHeartbeating } from './reading.ts';

type Deps = Pick<Dependencies, 'db' | 'ring' | 'transport'>;

/**
 * Asks Anthropic about a candidate, and makes it the active key or refuses it for good. Does nothing if the candidate
 * or the connection is gone. Throws if Anthropic gives no answer.
 */
export async function tryKey({ db, ring, transport }: Deps, connectionId: string, keyId: string): Promise<void> {
  const key = { connectionId, keyId };
  const refuse = (failure: Failure): Promise<void> => refuseKey(db, key, failure, FAILURES[failure.code].message);
  try {
    const opened = await openCandidate(db, ring, connectionId, keyId);
    if (opened === null) return;
    const reader = transport.readerFor(opened.adminKey, Context.current().cancellationSignal);
    const organization = await whileHeartbeating(() => readOrganization(reader));
    const acceptance = await acceptKey(db, key, organization);
    switch (acceptance.outcome) {
      case 'accepted':
      case 'gone':
        return;
      case 'organization_mismatch':
        await refuse({ code: acceptance.outcome });
        return;
      case 'already_connected':
        await refuse({ code: acceptance.outcome, connectionId: acceptance.connectionId });
        return;
    }
  } catch (error) {
    // A key that cannot be opened is no AnthropicError: it may open once the right encryption key is set.
    if (!(error instanceof AnthropicError) || !isKeyFailure(error.code)) throw error;
    await refuse(failureFrom(error));
  }
}

/** Asks Anthropic about the rejected key. Returns whether it accepts the key. Throws if it gives no answer. */
export async function probeKey({ db, ring, transport }: Deps, connectionId: string, nowMs: number): Promise<boolean> {
  // Recorded first, so that a probe which fails in any way is not due again at once.
  await recordProbe(db, connectionId, nowMs);
  const key = await openActiveKey(db, ring, connectionId);
  if (key === null) return false;
  const probed = { connectionId, keyId: key.keyId, hint: key.adminKey.hint };
  try {
    const reader = transport.readerFor(key.adminKey, Context.current().cancellationSignal);
    await whileHeartbeating(() => readOrganization(reader));
  } catch (error) {
    // An individual account has no reports, so a key that worked cannot belong to one: the answer is no verdict.
    if (!(error instanceof AnthropicError) || !isKeyFailure(error.code) || error.code === 'individual_account')
      throw error;
    await recordRejection(db, probed, error.code, nowMs);
    return false;
  }
  await recordAcceptance(db, probed, nowMs);
  return true;
}
