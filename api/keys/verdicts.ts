import type { Failure } from '../../domain/failures.ts';
import { loadVerdict, type Verdict } from '../../db/keys/verdict.ts';
import type { Deps, WaitFor } from '../http/endpoint.ts';
import { Problem } from '../http/problems.ts';

/**
 * The verdict on a key, as soon as `isSettled` says so of it, or whatever is stored when the request stops waiting. Null
 * if the key is unknown.
 */
export async function awaitVerdict(
  deps: Deps,
  key: { connectionId: string; keyId: string },
  isSettled: (verdict: Verdict) => boolean,
  waitFor: WaitFor,
): Promise<Verdict | null> {
  const look = (): Promise<Verdict | null> => loadVerdict(deps.db, key.connectionId, key.keyId);
  const settled = await waitFor(async () => {
    const verdict = await look();
    return verdict !== null && isSettled(verdict) ? verdict : null;
  });
  return settled ?? (await look());
}

/** True if Anthropic accepted the key, false while there is no verdict. Throws the problem of any other key. */
export function acceptedOrThrow(verdict: Verdict | null, connectionId: string): boolean {
  if (verdict === null) return false;
  switch (verdict.keyState) {
    case 'candidate':
      return false;
    case 'active':
    case 'superseded':
      return true;
    case 'refused':
      throw refusedKeyProblem(verdict.failure, connectionId);
    case 'destroyed':
      // Only an accepted key can be replaced; the connection shows that another key is active now.
      if (verdict.endReason === 'replaced') return true;
      throw destroyedKeyProblem(verdict, connectionId);
  }
}

/** Why a key was destroyed before Anthropic's verdict on it. */
function destroyedKeyProblem({ endReason, overtakenBy }: Verdict, connectionId: string): Problem {
  const extra = { connection_id: connectionId };
  if (endReason === 'overtaken') {
    const later =
      overtakenBy === null
        ? 'Anthropic accepted a later key first.'
        : `Key …${overtakenBy.hint} (${overtakenBy.keyId}) was sent later, and Anthropic accepted it first, at ${new Date(overtakenBy.atMs).toISOString()}.`;
    return new Problem('key_overtaken', { detail: `${later} This key was destroyed and never used.`, extra });
  }
  const detail =
    endReason === 'discarded'
      ? "Somebody discarded the key before Anthropic's verdict on it."
      : "The connection ended before Anthropic's verdict on the key.";
  return new Problem('conflict', { detail, extra });
}

function refusedKeyProblem(failure: Failure | null, connectionId: string): Problem {
  if (failure === null) return new Problem('key_invalid', { extra: { connection_id: connectionId } });
  const ids =
    failure.connectionId === undefined
      ? { connection_id: connectionId }
      : { connection_id: failure.connectionId, refused_connection_id: connectionId };
  return new Problem(failure.code, {
    ...(failure.detail === undefined ? {} : { detail: failure.detail }),
    extra: { ...ids, ...(failure.requestId === undefined ? {} : { anthropic_request_id: failure.requestId }) },
  });
}
