import { readFileSync } from 'node:fs';
import { checkServerIdentity, type ConnectionOptions } from 'node:tls';
import { isSslMode } from '../config/database-url.ts';

/** An address without what it says of TLS, and that as the driver takes it. */
export interface DatabaseAddress {
  readonly url: string;
  readonly ssl: false | 'prefer' | ConnectionOptions;
}

/**
 * Reads `sslmode` and `sslrootcert` of an address as libpq does. The driver alone would send `sslrootcert` to the server,
 * check no certificate against an IP address, and take an unknown mode for one. Without a root certificate of one's
 * own, those serve that Node trusts, among them what `NODE_EXTRA_CA_CERTS` names.
 */
export function readAddress(address: string): DatabaseAddress {
  const url = new URL(address);
  const mode = url.searchParams.get('sslmode') ?? 'disable';
  const rootCert = url.searchParams.get('sslrootcert');
  url.searchParams.delete('sslmode');
  url.searchParams.delete('sslrootcert');
  return { url: url.href, ssl: tlsOf(mode, rootCert, url.hostname) };
}

function tlsOf(mode: string, rootCert: string | null, host: string): DatabaseAddress['ssl'] {
  if (!isSslMode(mode)) throw new Error('DATABASE_URL has an sslmode that is none');
  const trusted = {
    // Also where NODE_TLS_REJECT_UNAUTHORIZED says otherwise.
    rejectUnauthorized: true,
    ...(rootCert === null || rootCert === 'system' ? {} : { ca: readFileSync(rootCert) }),
  };
  const ofAnyHost = { ...trusted, checkServerIdentity: (): undefined => undefined };
  switch (mode) {
    case 'disable':
      return false;
    case 'prefer':
      return mode;
    case 'require':
      return rootCert === null ? { rejectUnauthorized: false } : ofAnyHost;
    case 'verify-ca':
      return ofAnyHost;
    case 'verify-full': {
      const name = host.replace(/^\[|\]$/g, '');
      return { ...trusted, checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate) };
    }
  }
}
