import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** How much TLS to Postgres is asked for, as libpq names it. The last two verify the server. */
export const SSL_MODES = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
/** One of {@link SSL_MODES}. */
export type SslMode = (typeof SSL_MODES)[number];

/** A `postgres://` address, taken apart. */
export interface DatabaseUrl {
  /** The servers to try, in this order. There is one at least. */
  readonly servers: readonly DatabaseServer[];
  /** Null where the address does not say; the driver has defaults then, among them PGUSER and PGPASSWORD. */
  readonly user: string | null;
  readonly password: string | null;
  readonly database: string | null;
  readonly sslMode: SslMode | null;
  readonly sslRootCert: string | null;
  /** Whether TLS begins at once, without asking for it first. */
  readonly isTlsDirect: boolean;
  /** What goes to the server as it is, such as the endpoint of a Neon project. */
  readonly options: string | null;
  readonly connectTimeoutSeconds: number | null;
  /** Whether the address itself says that a pooler is between. */
  readonly isPooled: boolean;
  /** Limits of time that it asks for, by the names that Postgres has for them, in milliseconds. */
  readonly limitsMs: Readonly<Record<string, number>>;
  /** What is asked for and not carried out, each with the reason. */
  readonly dropped: readonly { readonly name: string; readonly why: string }[];
}

/** A server of an address. A host that begins with a slash is the folder of a Unix socket. */
export interface DatabaseServer {
  readonly host: string;
  readonly port: number;
}

/** What an address may say of TLS; anything else of it would be ignored in silence, or refused by Postgres. */
const TLS_PARAMETERS = ['sslmode', 'sslrootcert', 'sslnegotiation'];
const PLACES = ['host', 'port', 'user', 'password', 'dbname'];
const OTHERS = ['options', 'connect_timeout', 'target_session_attrs', 'pgbouncer'];
const TAKEN = [...TLS_PARAMETERS, ...PLACES, ...OTHERS];

const LIMITS = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'];
const UNITS_MS: Readonly<Record<string, number>> = { '': 1, ms: 1, s: 1_000, min: 60_000 };
const OWN_LIMIT = 'Meterline sets its own, and takes only a shorter time, such as 5s';
const OWN_VALUE = 'Meterline sets its own';
const OWN_POOL = 'each process has a pool of its own size';
const OF_ANOTHER_CLIENT = 'it is meant for another client';
/** What consoles and other clients put into an address, and why it is not carried out. */
const DROPPED: ReadonlyMap<string, string> = new Map([
  ['channel_binding', 'the driver cannot bind a channel; sslmode=verify-full keeps others out of the way'],
  ...ofEach(OWN_VALUE, 'application_name fallback_application_name client_encoding timezone TimeZone'),
  ...ofEach(OWN_VALUE, 'keepalives keepalives_idle keepalives_interval keepalives_count tcp_user_timeout'),
  ...ofEach(OWN_LIMIT, LIMITS.join(' ')),
  ...ofEach(OWN_POOL, 'connection_limit pool_timeout pool_size pool_mode max_pool_size statement_cache_size'),
  ...ofEach(OF_ANOTHER_CLIENT, 'supa workaround uselibpqcompat gssencmode krbsrvname prepareThreshold schema'),
]);

function ofEach(why: string, names: string): [name: string, why: string][] {
  return names.split(' ').map((name) => [name, why]);
}

/** Wishes that are fulfilled by not looking at them. */
const FULFILLED = [
  ...['channel_binding=disable', 'channel_binding=prefer', 'gssencmode=disable', 'gssencmode=prefer'],
  ...['schema=public', 'uselibpqcompat=true'],
];

const FORM = 'must be a postgres:// address, such as postgres://user:password@host:5432/name';
const NOT_A_PARAMETER = 'must have behind its question mark nothing but name=value, with & between them';
const ENCODE =
  'has a user or password with one of @ / ? # % and spaces in it: write these as %40 %2F %3F %23 %25 and %20';

/** Takes an address apart, as libpq does. Gives the faults instead where it has any; no fault quotes a value. */
export function parseDatabaseUrl(text: string): DatabaseUrl | { readonly faults: readonly string[] } {
  const [, authority = '', path = '', query = ''] =
    /^postgres(?:ql)?:\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(text) ?? [];
  if (!/^postgres(?:ql)?:\/\//.test(text)) return { faults: [FORM] };
  if (/[#\s]/.test(text) || `${path}?${query}`.includes('@')) return { faults: [ENCODE] };
  const at = authority.lastIndexOf('@');
  const [, user = '', password] = /^([^:]*)(?::(.*))?$/s.exec(authority.slice(0, Math.max(at, 0))) ?? [];
  const faults: string[] = [];
  try {
    const given = parametersOf(query, faults);
    const servers = serversOf(given.get('host') ?? authority.slice(at + 1), given.get('port'));
    if (servers === null) faults.push(`${FORM}, with a port from 1 to 65535`);
    else if (servers.length === 0) faults.push('names no host: write it, or host= with the folder of a Unix socket');
    faults.push(...faultsOfTls(given), ...faultsOfOthers(given));
    if (faults.length > 0) return { faults };
    return {
      servers: servers ?? [],
      user: given.get('user') ?? decoded(user),
      password: given.get('password') ?? decoded(password),
      database: given.get('dbname') ?? decoded(path),
      sslMode: SSL_MODES.find((mode) => mode === given.get('sslmode')) ?? null,
      sslRootCert: given.get('sslrootcert') ?? null,
      isTlsDirect: given.get('sslnegotiation') === 'direct',
      options: given.get('options') ?? null,
      connectTimeoutSeconds: Number(given.get('connect_timeout') ?? 0) || null,
      isPooled: given.get('pgbouncer') === 'true',
      limitsMs: limitsOf(given),
      dropped: droppedOf(given),
    };
  } catch (error) {
    if (error instanceof URIError) return { faults: [ENCODE] };
    throw error;
  }
}

function decoded(part: string | undefined): string | null {
  return part === undefined || part === '' ? null : decodeURIComponent(part);
}

/** By name, what stands behind the question mark. A plus sign is one, and no space. */
function parametersOf(query: string, faults: string[]): ReadonlyMap<string, string> {
  const given = new Map<string, string>();
  for (const part of query.split('&').filter((one) => one !== '')) {
    const [name = '', value] = part.split(/=(.*)/s).map(decodeURIComponent);
    if (value === undefined || !/^[A-Za-z_]{1,40}$/.test(name)) faults.push(NOT_A_PARAMETER);
    else if (given.has(name)) faults.push(`has ${name} twice`);
    else given.set(name, value);
  }
  return given;
}

/** The servers of a list of hosts, each with a port or with that of the parameter; null where one is no server. */
function serversOf(hosts: string, portParameter: string | undefined): DatabaseServer[] | null {
  const ports = portParameter?.split(',') ?? [];
  const servers = hosts.split(',').flatMap((entry, index): (DatabaseServer | null)[] => {
    if (hosts === '') return [];
    const isFolder = /^(?:\/|%2f)/i.test(entry);
    const [, host = '', own] =
      (isFolder ? /^(.+?)(?::(\d+))?$/ : /^(\[[0-9a-fA-F:.%]+\]|[^:[\]]+)(?::(\d*))?$/).exec(entry) ?? [];
    const port = Number([own, ports[index], ports[0]].find((known) => known !== undefined && known !== '') ?? 5432);
    const isPort = Number.isInteger(port) && port > 0 && port <= 65_535;
    return host !== '' && isPort ? [{ host: decodeURIComponent(host), port }] : [null];
  });
  return servers.every((server) => server !== null) ? servers : null;
}

function faultsOfTls(given: ReadonlyMap<string, string>): string[] {
  const [mode, rootCert, negotiation] = TLS_PARAMETERS.map((name) => given.get(name));
  const faults: string[] = [];
  const unknown = [...given.keys()].filter((name) => name.startsWith('ssl') && !TLS_PARAMETERS.includes(name));
  if (unknown.length > 0)
    faults.push(`takes of TLS no other parameters than ${TLS_PARAMETERS.join(', ')}: not ${unknown.join(', ')}`);
  if (mode !== undefined && !SSL_MODES.some((known) => known === mode))
    faults.push(`must have as sslmode one of ${SSL_MODES.join(', ')}`);
  if (rootCert !== undefined && !verifies(mode))
    faults.push('has sslrootcert, which needs sslmode=verify-full, verify-ca or require');
  if (rootCert !== undefined && !holdsCertificates(rootCert))
    faults.push('names as sslrootcert no file of certificates');
  if (negotiation !== undefined && !(negotiation === 'postgres' || (negotiation === 'direct' && verifies(mode))))
    faults.push('must have as sslnegotiation postgres, or direct with sslmode=require or stricter');
  return faults;
}

function faultsOfOthers(given: ReadonlyMap<string, string>): string[] {
  const faults: string[] = [];
  const unknown = [...given.keys()].filter(
    (name) => !TAKEN.includes(name) && !name.startsWith('ssl') && !DROPPED.has(name),
  );
  for (const name of unknown) faults.push(`has the parameter ${name}, which Meterline does not know: remove it`);
  if ((given.get('schema') ?? 'public') !== 'public')
    faults.push("has another schema than public, where Meterline's tables are: remove the parameter schema");
  if (given.get('gssencmode') === 'require') faults.push('has gssencmode=require, which the driver cannot do');
  if (!/^(?:any|read-write|primary)$/.test(given.get('target_session_attrs') ?? 'any'))
    faults.push('must have as target_session_attrs read-write, primary or any: Meterline writes');
  if (!/^\d{1,5}$/.test(given.get('connect_timeout') ?? '0'))
    faults.push('must have as connect_timeout a number of seconds');
  if (!/^(?:true|false)$/.test(given.get('pgbouncer') ?? 'true')) faults.push('must have as pgbouncer true or false');
  return faults;
}

/** The limits that are times. None at all is no limit that could be shorter than another. */
function limitsOf(given: ReadonlyMap<string, string>): Record<string, number> {
  const times = LIMITS.flatMap((name): [string, number][] => {
    const [, digits, unit = ''] = /^(\d{1,9})(ms|s|min)?$/.exec(given.get(name) ?? '') ?? [];
    const ms = Number(digits) * (UNITS_MS[unit] ?? 1);
    return ms > 0 ? [[name, ms]] : [];
  });
  return Object.fromEntries(times);
}

function droppedOf(given: ReadonlyMap<string, string>): DatabaseUrl['dropped'] {
  return [...given].flatMap(([name, value]) => {
    const why = limitsOf(given)[name] === undefined ? DROPPED.get(name) : undefined;
    return why === undefined || FULFILLED.includes(`${name}=${value}`) ? [] : [{ name, why }];
  });
}

/** A `postgres://` address whose wishes are ones that will be carried out, or are known not to be. */
export const databaseUrl = z.string().transform((text, context) => {
  const trimmed = text.trim();
  const parsed = parseDatabaseUrl(trimmed);
  if (!('faults' in parsed)) return trimmed;
  for (const fault of new Set(parsed.faults)) context.addIssue(fault);
  return z.NEVER;
});

/** A sentence for each parameter of an address that is not carried out. */
export function warningsOf(address: string): string[] {
  const parsed = parseDatabaseUrl(address);
  if ('faults' in parsed) return [];
  return parsed.dropped.map(({ name, why }) => `${name} in DATABASE_URL is not carried out: ${why}`);
}

/** Where the servers of an address are, for people: nothing else of it may be told. */
export function placesOf(address: string): string {
  const parsed = parseDatabaseUrl(address);
  if ('faults' in parsed) return 'DATABASE_URL';
  return parsed.servers.map(({ host, port }) => `${host}:${port}`).join(', ');
}

/** libpq's own variables, where the address itself does not say. */
export function withTlsFrom(
  env: { mode?: SslMode | undefined; rootCert?: string | undefined },
  address: string,
): string {
  const parsed = parseDatabaseUrl(address);
  if ('faults' in parsed) return address;
  const mode = parsed.sslMode ?? env.mode;
  const added = [
    ...(parsed.sslMode === null && mode !== undefined ? [`sslmode=${mode}`] : []),
    ...(verifies(mode) && parsed.sslRootCert === null && env.rootCert !== undefined
      ? [`sslrootcert=${encodeURIComponent(env.rootCert)}`]
      : []),
  ];
  if (added.length === 0) return address;
  return `${address}${address.includes('?') ? '&' : '?'}${added.join('&')}`;
}

/** With a root certificate `require` verifies, too, as in libpq. */
function verifies(mode: string | undefined): boolean {
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
