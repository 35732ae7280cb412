import { networkCodeOf, networkSentence, proxyStatusOf } from '../runtime/network-errors.ts';
import { AnthropicError, invalidReply } from './failure.ts';

/** The failure of a request that got no whole reply, from the error that Undici threw. */
export function networkFailure(error: unknown): AnthropicError {
  const code = networkCodeOf(error);
  if (code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH') return invalidReply('the reply is cut short');
  // Undici throws this if a proxy opens no tunnel. It also throws it for an aborted request, which the caller handles before.
  if (code === 'UND_ERR_ABORTED' && error instanceof Error) return proxyFailure(proxyStatusOf(error));
  return new AnthropicError('upstream_unavailable', { detail: networkSentence(code) });
}

/** A proxy that answers 5xx could not reach the host; a proxy that answers with any other status does not allow it. */
function proxyFailure(status: string | null): AnthropicError {
  const detail = `the proxy does not let the request through${status === null ? '' : ` (HTTP ${status})`}`;
  return new AnthropicError(status?.startsWith('5') === true ? 'upstream_unavailable' : 'network_refused', { detail });
}
