import { readFileSync } from 'node:fs';
import { checkServerIdentity, type ConnectionOptions } from 'node:tls';
import { parseDatabaseUrl, type DatabaseUrl, type SslMode } from '../../config/database-url.ts';

/** One server of an address, as the driver takes it. */
export interface Server {
  readonly host: string;
  readonly port: number;
  /** The Unix socket, where there is one. */
  readonly path: string | undefined;
  readonly ssl: false | 'prefer' | ConnectionOptions;
}

/** An address as the driver takes it. */
export interface DatabaseAddress extends Pick<
  DatabaseUrl,
  'user' | 'password' | 'database' | 'options' | 'isTlsDirect' | 'connectTimeoutSeconds' | 'isPooled' | 'limitsMs'
> {
  readonly servers: readonly Server[];
}

/**
 * Reads an address as libpq does. The driver alone would send every parameter that it does not know to the server, check
 * no certificate against an IP address, and take an unknown `sslmode` for one. Without a root certificate of one's own,
 * those serve that Node trusts, among them what `NODE_EXTRA_CA_CERTS` names. Throws where the address has a fault.
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
    case 'verify-full':
      return { ...trusted, checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate) };
  }
}
