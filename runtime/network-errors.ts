const UNTRUSTED = [
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
];
const SENTENCES: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was reset',
  EHOSTUNREACH: 'there is no way to the host',
  ENETUNREACH: 'there is no way to the host',
  ENOTFOUND: 'the host name is not known',
  EAI_AGAIN: 'the host name could not be looked up',
  ETIMEDOUT: 'connecting took too long',
  ...Object.fromEntries(UNTRUSTED.map((code) => [code, 'this machine does not trust the certificate of the host'])),
  CERT_HAS_EXPIRED: 'the certificate of the host has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate is for another host',
  UND_ERR_PRX_TLS: 'the certificate is for another host',
  UND_ERR_CONNECT_TIMEOUT: 'connecting took too long',
  UND_ERR_HEADERS_TIMEOUT: 'no answer came in time',
  UND_ERR_BODY_TIMEOUT: 'the answer stalled',
  UND_ERR_SOCKET: 'the connection was closed in the middle of the answer',
};

/** The code of an error of Node or Undici; `unknown` if it has none. */
export function networkCodeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  if ('code' in error && typeof error.code === 'string') return error.code;
  // Of some answers that are no HTTP, Undici says no more than this.
  return error.name === 'HTTPParserError' ? 'HPE_INVALID' : 'unknown';
}

/** What a code of Node or Undici says, without the host and the address that the error itself may quote. */
export function networkSentence(code: string): string {
  if (code.startsWith('HPE_')) return 'what answered does not speak HTTP';
  return SENTENCES[code] ?? `network failure ${code}`;
}

/** The status with which a proxy opened no tunnel, from the error of Undici; null if the proxy gave none. */
export function proxyStatusOf(error: unknown): string | null {
  return error instanceof Error ? (/\((\d{3})\)/.exec(error.message)?.[1] ?? null) : null;
}
