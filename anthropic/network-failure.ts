import { AnthropicError, invalidReply } from './failure.ts';

const UNTRUSTED = [
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
];
const SENTENCES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was reset',
  ENOTFOUND: 'the host name is not known',
  EAI_AGAIN: 'the host name could not be looked up',
  ...Object.fromEntries(UNTRUSTED.map((code) => [code, 'this machine does not trust the certificate of the host'])),
  CERT_HAS_EXPIRED: 'the certificate of the host has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate is for another host',
  UND_ERR_PRX_TLS: 'the certificate is for another host',
  UND_ERR_CONNECT_TIMEOUT: 'connecting took too long',
  UND_ERR_HEADERS_TIMEOUT: 'no answer came in time',
  UND_ERR_BODY_TIMEOUT: 'the answer stalled',
  UND_ERR_SOCKET: 'the connection was closed in the middle of the answer',
};

/** The failure of a request that got no whole reply, from the error that Undici threw. */
export function networkFailure(error: unknown): AnthropicError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
  if (code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH') return invalidReply('the reply is cut short');
  // Undici throws this if a proxy opens no tunnel. It also throws it for an aborted request, which the caller handles before.
  if (code === 'UND_ERR_ABORTED' && error instanceof Error) return proxyFailure(error.message);
  return new AnthropicError('upstream_unavailable', { detail: SENTENCES[code] ?? `network failure ${code}` });
}

/** A proxy that answers 5xx could not reach the host; a proxy that answers with any other status does not allow it. */
function proxyFailure(message: string): AnthropicError {
  const status = /\((\d{3})\)/.exec(message)?.[1] ?? null;
  const detail = `the proxy does not let the request through${status === null ? '' : ` (HTTP ${status})`}`;
  return new AnthropicError(status?.startsWith('5') === true ? 'upstream_unavailable' : 'network_refused', { detail });
}
