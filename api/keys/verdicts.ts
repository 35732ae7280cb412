import type { Failure } from '../../domain/failures.ts';
import { loadVerdict, type Verdict } from '../../db/connections/views.ts';
import { AdminKey } from '../../domain/keys.ts';
import type { Deps, WaitFor } from '../http/endpoint.ts';
import { Problem } from '../http/problems.ts';
import { TemporalUnavailableError } from '../temporal.ts';

/** The Admin key of a body. Throws a `key_format` problem that does not quote the text. */
export function adminKeyOf(body: { readonly admin_api_key: string }): AdminKey {
  const parsed = AdminKey.parse(body.admin_api_key);
  if (!parsed.ok) throw new Problem('key_format', { detail: parsed.problem });
  return parsed.key;
}

/** Whether Temporal took what it was told. Where it does not answer, Postgres says the same to the worker later. */
export async function tellOrDefer(deps: Deps, connectionId: string, tell: () => Promise<void>): Promise<boolean> {
  try {
    await tell();
    return true;
  } catch (error) {
    if (!(error instanceof TemporalUnavailableError)) throw error;
    deps.log.warn({ connectionId, reason: error.reason }, 'Temporal does not answer: what is stored is acted on later');
    return false;
  }
}

/** What has become of a key once `isSettled`, or of its own accord within the time that a request waits. */
export async function verdictOn(
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

/** Whether a key is accepted; false while that is open. A key that is refused throws its problem. */
export function acceptedOrThrow(verdict: Verdict | null, connectionId: string): boolean {
  if (verdict === null) return false;
  switch (verdict.keyState) {
    case 'candidate':
      return false;
    case 'active':
    case 'superseded':
      return true;
    case 'refused':
      throw refusalOf(verdict.failure, connectionId);
    case 'destroyed':
      // One that a later key replaced had been accepted; that it serves no longer is told by the connection.
      if (verdict.endReason === 'replaced') return true;
      throw endOf(verdict, connectionId);
  }
}

/** Why a key has no verdict and will have none. */
function endOf({ endReason, overtakenBy }: Verdict, connectionId: string): Problem {
  const extra = { connection_id: connectionId };
  if (endReason === 'overtaken') {
    const later =
      overtakenBy === null
        ? 'A later key overtook this one.'
        : `Key …${overtakenBy.hint} (${overtakenBy.keyId}), asked for later, overtook this one at ${new Date(overtakenBy.atMs).toISOString()}.`;
    return new Problem('key_overtaken', { detail: `${later} This one was destroyed and never served.`, extra });
  }
  const detail =
    endReason === 'discarded'
      ? 'The key was discarded before there was a verdict on it.'
      : 'The connection was ended before there was a verdict on the key.';
  return new Problem('conflict', { detail, extra });
}

function refusalOf(failure: Failure | null, connectionId: string): Problem {
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
