import { isKeyFailure } from '../failures.ts';
import type { FailureFacts } from './facts.ts';
import { confirmAtMs, nextProbeMs, retryAtMs, type KeyProbes } from './schedule.ts';
import type { Status } from './statuses.ts';

/**
 * Whether a failure of the key counts: Anthropic rejected the key again when asked a second time. A key that we cannot
 * open needs no second answer.
 */
export function isConfirmed({ code, rejectedAtMs }: Pick<FailureFacts, 'code' | 'rejectedAtMs'>): boolean {
  return code === 'key_unreadable' || rejectedAtMs !== null;
}

/** Whether Anthropic accepted the key when asked a second time, so that the failure does not lie in the key. */
export function isRefuted({
  answeredAtMs,
  rejectedAtMs,
}: Pick<FailureFacts, 'rejectedAtMs' | 'answeredAtMs'>): boolean {
  return answeredAtMs !== null && rejectedAtMs === null;
}

/** Whether Anthropic was not asked about a failure of the key yet, so that the key may be good after all. */
export function isUnconfirmed(failure: Pick<FailureFacts, 'code' | 'rejectedAtMs' | 'answeredAtMs'>): boolean {
  return isKeyFailure(failure.code) && !isConfirmed(failure) && !isRefuted(failure);
}

/** When Anthropic is asked about a failed key the next time (ms), if nobody asks for it earlier. */
function nextQuestionMs(failure: Pick<FailureFacts, 'code' | 'atMs' | keyof KeyProbes>): number {
  const { code, atMs, probedAtMs } = failure;
  // Opening a stored key asks nobody, so each probe counts as answered.
  if (code === 'key_unreadable') return nextProbeMs(atMs, { probedAtMs, answeredAtMs: probedAtMs, rejectedAtMs: atMs });
  return isConfirmed(failure) ? nextProbeMs(atMs, failure) : confirmAtMs(atMs, failure);
}

/**
 * When the active key is used next after a failure (ms): to read again, or to ask Anthropic about the key. Null while a
 * candidate is awaited, since Anthropic rejected the active key.
 */
export function nextUseMs(status: Status, failure: Omit<FailureFacts, 'keyId'>): number | null {
  if (!isKeyFailure(failure.code)) return retryAtMs(failure);
  if (isConfirmed(failure)) return status === 'awaiting_key' ? nextQuestionMs(failure) : null;
  return isRefuted(failure) ? retryAtMs(failure) : nextQuestionMs(failure);
}
