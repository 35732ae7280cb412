import type { z } from 'zod';
import type { KeyView } from '../../db/connections/views.ts';
import type { ListedKey } from '../../db/keys/key-list.ts';
import { nextTryMs } from '../../domain/connection/schedule.ts';
import { CANDIDATE_LIFETIME_MS } from '../../domain/keys.ts';
import { connectionWorkflowId } from '../../workflows/messages.ts';
import { failureDocument, iso } from '../http/documents.ts';
import type { addedKey, candidate, keyList } from './schemas.ts';

/** A candidate as its connection shows it. `isHeld`: it is not tried while its connection is paused. */
export function candidateDocument(
  key: Pick<KeyView, 'id' | 'hint' | 'state' | 'tries' | 'triedAtMs' | 'failure'>,
  isHeld = false,
): z.input<typeof candidate> {
  const { id, hint, state, failure, triedAtMs } = key;
  const error = failure === null || triedAtMs === null ? null : failureDocument(failure, triedAtMs);
  return {
    id,
    hint,
    state,
    error,
    next_try_at: state === 'candidate' && triedAtMs !== null && !isHeld ? iso(nextTryMs(key, triedAtMs)) : null,
  };
}

/** The signal that asks to use a candidate. */
export function rotationTo(connectionId: string, keyId: string): z.input<typeof addedKey>['signal'] {
  return { workflow_id: connectionWorkflowId(connectionId), name: 'rotateKey', input: { keyId } };
}

/** A key as lists show it: how it stands, and the signal that asks to use it while it is an unused candidate. */
export function keyDocument(connectionId: string, key: ListedKey): z.input<typeof keyList>['data'][number] {
  const { id, hint, state, failure, tries, endReason, addedAt, requestedAt, triedAt, endedAt } = key;
  const triedAtMs = triedAt?.getTime() ?? null;
  const isUnrequested = state === 'candidate' && requestedAt === null;
  const failedAtMs = (endedAt ?? triedAt ?? key.activatedAt ?? addedAt).getTime();
  return {
    id,
    hint,
    state,
    error: failure === null ? null : failureDocument(failure, failedAtMs),
    end_reason: endReason,
    next_try_at:
      state === 'candidate' && triedAtMs !== null ? iso(nextTryMs({ tries, triedAtMs, failure }, triedAtMs)) : null,
    expires_at: isUnrequested ? iso(addedAt.getTime() + CANDIDATE_LIFETIME_MS) : null,
    signal: isUnrequested ? rotationTo(connectionId, id) : null,
    added_at: addedAt.toISOString(),
    requested_at: requestedAt?.toISOString() ?? null,
    activated_at: key.activatedAt?.toISOString() ?? null,
    last_used_at: key.lastUsedAt?.toISOString() ?? null,
    ended_at: endedAt?.toISOString() ?? null,
  };
}
