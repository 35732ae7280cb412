import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** How much TLS to Postgres is asked for, as libpq names it. The last two verify the server. */
export const SSL_MODES = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
/** One of {@link SSL_MODES}. */
export type SslMode = (typeof SSL_MODES)[number];

/** What an address may say of TLS; anything else of it would be ignored in silence, or refused by Postgres. */
const TLS_PARAMETERS = ['sslmode', 'sslrootcert', 'sslnegotiation'];

/** Whether text is one of {@link SSL_MODES}. */
export function isSslMode(text: string | null): text is SslMode {
  return SSL_MODES.some((mode) => mode === text);
}

/** A `postgres://` address whose wishes for TLS are ones that will be carried out. */
export const databaseUrl = z.string().transform((text, context) => {
  if (!/^postgres(ql)?:\/\//.test(text) || !URL.canParse(text)) {
    context.addIssue('must be a postgres:// address');
    return z.NEVER;
  }
  const { searchParams } = new URL(text);
  const [mode, rootCert] = [searchParams.get('sslmode'), searchParams.get('sslrootcert')];
  const unknown = [...searchParams.keys()].filter((name) => name.startsWith('ssl') && !TLS_PARAMETERS.includes(name));
  if (unknown.length > 0) context.addIssue(`takes of TLS no other parameters than ${TLS_PARAMETERS.join(', ')}`);
  if (mode !== null && !isSslMode(mode)) context.addIssue(`must have as sslmode one of ${SSL_MODES.join(', ')}`);
  if (rootCert !== null && !verifies(mode)) context.addIssue('has sslrootcert, which needs sslmode=verify-full');
  if (rootCert !== null && !holdsCertificates(rootCert))
    context.addIssue('names as sslrootcert no file of certificates');
  return text;
});

/** libpq's own variables, where the address itself does not say. */
export function withTlsFrom(
  env: { mode?: SslMode | undefined; rootCert?: string | undefined },
  address: string,
): string {
  const url = new URL(address);
  const said = url.searchParams.get('sslmode');
  if (said === null && env.mode !== undefined) url.searchParams.set('sslmode', env.mode);
  const isWanted = verifies(url.searchParams.get('sslmode')) && !url.searchParams.has('sslrootcert');
  if (isWanted && env.rootCert !== undefined) url.searchParams.set('sslrootcert', env.rootCert);
  return url.search === new URL(address).search ? address : url.href;
}

/** With a root certificate `require` verifies, too, as in libpq. */
function verifies(mode: string | null): boolean {
  return mode === 'require' || mode === 'verify-ca' || mode === 'verify-full';
}

/** Whether a path names a readable file of certificates; `system` stands for those that Node trusts by itself. */
export function holdsCertificates(path: string): boolean {
  try {
    return path === 'system' || readFileSync(path, 'latin1').includes('-----BEGIN CERTIFICATE-----');
  } catch {
    return false;
  }
}
