import { readFileSync } from 'node:fs';
import { checkServerIdentity, type ConnectionOptions } from 'node:tls';
import { parseDatabaseUrl, type DatabaseUrl, type SslMode } from '../../config/database-url.ts';

/** One server of an address, in the form that the driver takes. */
export interface Server {
  readonly host: string;
  readonly port: number;
  /** The Unix socket, if it has one. */
  readonly path: string | undefined;
  readonly ssl: false | 'prefer' | ConnectionOptions;
}

/** An address in the form that the driver takes. */
export interface DatabaseAddress extends Pick<
  DatabaseUrl,
  'user' | 'password' | 'database' | 'options' | 'isTlsDirect' | 'connectTimeoutSeconds' | 'isPooled' | 'limitsMs'
> {
  readonly servers: readonly Server[];
}

/**
 * Reads an address as libpq does. The driver alone would send unknown parameters to the server, would never check a
 * certificate against an IP address, and would accept an unknown `sslmode`. Without a root certificate in the address,
 * Node's own and those in `NODE_EXTRA_CA_CERTS` apply. Throws if the address is invalid.
 */
export function readAddress(address: string): DatabaseAddress {
  const parsed = parseDatabaseUrl(address);
  if ('problems' in parsed) throw new Error(`DATABASE_URL ${parsed.problems.join('; ')}`);
  const { sslMode, sslRootCert } = parsed;
  const servers = parsed.servers.map(({ host, port }): Server => {
    if (host.startsWith('/')) return { host, port, path: `${host}/.s.PGSQL.${port}`, ssl: false };
    const name = host.replace(/^\[|\]$/g, '');
    return { host: name, port, path: undefined, ssl: tlsOf(sslMode ?? 'disable', sslRootCert, name) };
  });
  return { ...parsed, servers };
}

function tlsOf(mode: SslMode, rootCert: string | null, name: string): Server['ssl'] {
  const trusted = {
    // Explicit, because NODE_TLS_REJECT_UNAUTHORIZED could otherwise turn the check off.
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
    case 'verify-full':
      return { ...trusted, checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate) };
  }
}
