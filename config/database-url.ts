import { readFileSync } from 'node:fs';
import { z } from 'zod';

/** libpq's names for how much TLS a client asks for. The last two verify the server. */
export const SSL_MODES = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
/** One of {@link SSL_MODES}. */
export type SslMode = (typeof SSL_MODES)[number];

/** The parts of a `postgres://` address. A part is null if the address does not name it. */
export interface DatabaseUrl {
  /** At least one server, in the order to try them. */
  readonly servers: readonly DatabaseServer[];
  /** Without these three the driver uses its defaults, among them PGUSER and PGPASSWORD. */
  readonly user: string | null;
  readonly password: string | null;
  readonly database: string | null;
  readonly sslMode: SslMode | null;
  readonly sslRootCert: string | null;
  /** Whether the client starts TLS at once, without asking the server first. */
  readonly isTlsDirect: boolean;
  /** Goes to the server unchanged, such as the endpoint of a Neon project. */
  readonly options: string | null;
  readonly connectTimeoutSeconds: number | null;
  /** Whether the address says that a pooler stands in front of Postgres. */
  readonly isPooled: boolean;
  /** Time limits by their Postgres names, in milliseconds. */
  readonly limitsMs: Readonly<Record<string, number>>;
  /** Parameters that have no effect here, each with the reason. */
  readonly ignored: readonly { readonly name: string; readonly why: string }[];
}

/** A server of an address. A host that begins with a slash is the folder of a Unix socket. */
export interface DatabaseServer {
  readonly host: string;
  readonly port: number;
}

/** What is wrong with a value, as predicates of the variable: "has sslmode twice". None quotes a value. */
interface Invalid {
  readonly problems: readonly string[];
}

/** Postgres refuses, or silently ignores, every other TLS parameter. */
const TLS_PARAMETERS = ['sslmode', 'sslrootcert', 'sslnegotiation'];
const OTHER_PARAMETERS = [
  ...['host', 'port', 'user', 'password', 'dbname'],
  ...['options', 'connect_timeout', 'target_session_attrs', 'pgbouncer'],
];
const KNOWN_PARAMETERS = [...TLS_PARAMETERS, ...OTHER_PARAMETERS];

const LIMITS = ['statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'];
const UNITS_MS: Readonly<Record<string, number>> = { '': 1, ms: 1, s: 1_000, min: 60_000 };

/** Parameters that consoles and other clients put into an address, and why each has no effect here. */
const IGNORED: ReadonlyMap<string, string> = new Map([
  ['channel_binding', 'the driver cannot bind a channel; sslmode=verify-full protects the connection instead'],
  ...withReason('Meterline sets its own', [
    ...['application_name', 'fallback_application_name', 'client_encoding', 'timezone', 'TimeZone'],
    ...['keepalives', 'keepalives_idle', 'keepalives_interval', 'keepalives_count', 'tcp_user_timeout'],
  ]),
  ...withReason('Meterline sets its own, and accepts only a shorter time, such as 5s', LIMITS),
  ...withReason('each process sets the size of its own pool', [
    ...['connection_limit', 'pool_timeout', 'pool_size', 'pool_mode', 'max_pool_size', 'statement_cache_size'],
  ]),
  ...withReason('it is meant for another client', [
    ...['supa', 'workaround', 'uselibpqcompat', 'gssencmode', 'krbsrvname', 'prepareThreshold', 'schema'],
  ]),
]);

function withReason(why: string, names: readonly string[]): [name: string, why: string][] {
  return names.map((name) => [name, why]);
}

/** Ignoring these does what they ask for, so nobody needs a warning. */
const FULFILLED = [
  ...['channel_binding=disable', 'channel_binding=prefer', 'gssencmode=disable', 'gssencmode=prefer'],
  ...['schema=public', 'uselibpqcompat=true'],
];

const FORM = 'must be a postgres:// address, such as postgres://user:password@host:5432/name';
const NOT_A_PARAMETER = 'must have only name=value pairs after its question mark, with & between them';
const ENCODE = 'has @, /, ?, #, % or a space in its user or password: write these as %40, %2F, %3F, %23, %25 and %20';

/** Takes an address apart as libpq does. */
export function parseDatabaseUrl(text: string): DatabaseUrl | Invalid {
  const [, authority = '', path = '', query = ''] =
    /^postgres(?:ql)?:\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(text) ?? [];
  if (!/^postgres(?:ql)?:\/\//.test(text)) return { problems: [FORM] };
  if (/[#\s]/.test(text) || `${path}?${query}`.includes('@')) return { problems: [ENCODE] };
  const at = authority.lastIndexOf('@');
  const [, user = '', password] = /^([^:]*)(?::(.*))?$/s.exec(authority.slice(0, Math.max(at, 0))) ?? [];
  try {
    const { parameters, problems } = parametersOf(query);
    const servers = serversOf(parameters.get('host') ?? authority.slice(at + 1), parameters.get('port'));
    if (servers === null) problems.push(`${FORM}, with a port from 1 to 65535`);
    else if (servers.length === 0) problems.push('names no host: add one, or host= with the folder of a Unix socket');
    problems.push(...problemsWithTls(parameters), ...problemsWithOthers(parameters));
    if (servers === null || problems.length > 0) return { problems };
    return {
      servers,
      user: parameters.get('user') ?? decoded(user),
      password: parameters.get('password') ?? decoded(password),
      database: parameters.get('dbname') ?? decoded(path),
      sslMode: SSL_MODES.find((mode) => mode === parameters.get('sslmode')) ?? null,
      sslRootCert: parameters.get('sslrootcert') ?? null,
      isTlsDirect: parameters.get('sslnegotiation') === 'direct',
      options: parameters.get('options') ?? null,
      connectTimeoutSeconds: Number(parameters.get('connect_timeout') ?? 0) || null,
      isPooled: parameters.get('pgbouncer') === 'true',
      limitsMs: limitsOf(parameters),
      ignored: ignoredOf(parameters),
    };
  } catch (error) {
    if (error instanceof URIError) return { problems: [ENCODE] };
    throw error;
  }
}

function decoded(part: string | undefined): string | null {
  return part === undefined || part === '' ? null : decodeURIComponent(part);
}

type UrlParameters = ReadonlyMap<string, string>;

/** A plus sign stands for itself here, not for a space. Throws a URIError for a broken escape. */
function parametersOf(query: string): { parameters: UrlParameters; problems: string[] } {
  const parameters = new Map<string, string>();
  const problems: string[] = [];
  for (const part of query.split('&').filter((one) => one !== '')) {
    const [name = '', value] = part.split(/=(.*)/s).map(decodeURIComponent);
    if (value === undefined || !/^[A-Za-z_]{1,40}$/.test(name)) problems.push(NOT_A_PARAMETER);
    else if (parameters.has(name)) problems.push(`has ${name} twice`);
    else parameters.set(name, value);
  }
  return { parameters, problems };
}

/** The servers of a list of hosts. A host without a port takes it from the parameter. Null if one is not a server. */
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

function problemsWithTls(parameters: UrlParameters): string[] {
  const [mode, rootCert, negotiation] = TLS_PARAMETERS.map((name) => parameters.get(name));
  const problems: string[] = [];
  const unknown = [...parameters.keys()].filter((name) => name.startsWith('ssl') && !TLS_PARAMETERS.includes(name));
  if (unknown.length > 0)
    problems.push(`has ${unknown.join(', ')}, but Meterline knows only ${TLS_PARAMETERS.join(', ')} for TLS`);
  if (mode !== undefined && !SSL_MODES.some((known) => known === mode))
    problems.push(`must have one of these as sslmode: ${SSL_MODES.join(', ')}`);
  if (rootCert !== undefined && !verifies(mode))
    problems.push('has sslrootcert, which needs sslmode=verify-full, verify-ca or require');
  if (rootCert !== undefined && !holdsCertificates(rootCert))
    problems.push('has an sslrootcert that is not a readable file of PEM certificates');
  if (negotiation !== undefined && !(negotiation === 'postgres' || (negotiation === 'direct' && verifies(mode))))
    problems.push('must have sslnegotiation=postgres, or sslnegotiation=direct with sslmode=require or stricter');
  return problems;
}

function problemsWithOthers(parameters: UrlParameters): string[] {
  const problems = [...parameters.keys()]
    .filter((name) => !KNOWN_PARAMETERS.includes(name) && !name.startsWith('ssl') && !IGNORED.has(name))
    .map((name) => `has the parameter ${name}, which Meterline does not know: remove it`);
  if ((parameters.get('schema') ?? 'public') !== 'public')
    problems.push('names a schema other than public, where Meterline keeps its tables: remove the parameter schema');
  if (parameters.get('gssencmode') === 'require')
    problems.push('has gssencmode=require, which the driver does not support');
  if (!/^(?:any|read-write|primary)$/.test(parameters.get('target_session_attrs') ?? 'any'))
    problems.push('must have target_session_attrs=read-write, primary or any: Meterline writes');
  if (!/^\d{1,5}$/.test(parameters.get('connect_timeout') ?? '0'))
    problems.push('must have a number of seconds as connect_timeout');
  if (!/^(?:true|false)$/.test(parameters.get('pgbouncer') ?? 'true'))
    problems.push('must have pgbouncer=true or pgbouncer=false');
  return problems;
}

/** In Postgres 0 means "no limit", which is never shorter than a limit of ours. */
function limitsOf(parameters: UrlParameters): Record<string, number> {
  const times = LIMITS.flatMap((name): [string, number][] => {
    const [, digits, unit = ''] = /^(\d{1,9})(ms|s|min)?$/.exec(parameters.get(name) ?? '') ?? [];
    const ms = Number(digits) * (UNITS_MS[unit] ?? 1);
    return ms > 0 ? [[name, ms]] : [];
  });
  return Object.fromEntries(times);
}

function ignoredOf(parameters: UrlParameters): DatabaseUrl['ignored'] {
  const limits = limitsOf(parameters);
  return [...parameters].flatMap(([name, value]) => {
    const why = limits[name] === undefined ? IGNORED.get(name) : undefined;
    return why === undefined || FULFILLED.includes(`${name}=${value}`) ? [] : [{ name, why }];
  });
}

/** A `postgres://` address. Each of its parameters takes effect, or is known to have none here. */
export const databaseUrl = z.string().transform((text, context) => {
  const address = text.trim();
  const parsed = parseDatabaseUrl(address);
  if (!('problems' in parsed)) return address;
  for (const problem of new Set(parsed.problems)) context.addIssue(problem);
  return z.NEVER;
});

/** A sentence for each parameter of an address that has no effect. */
export function warningsAbout(address: string): string[] {
  const parsed = parseDatabaseUrl(address);
  if ('problems' in parsed) return [];
  return parsed.ignored.map(({ name, why }) => `${name} in DATABASE_URL has no effect: ${why}`);
}

/** The hosts and ports of an address: the only part of it that may be logged or shown. */
export function serverNames(address: string): string {
  const parsed = parseDatabaseUrl(address);
  if ('problems' in parsed) return 'DATABASE_URL';
  return parsed.servers.map(({ host, port }) => `${host}:${port}`).join(', ');
}

/** Adds `mode` and `rootCert`, which come from PGSSLMODE and PGSSLROOTCERT, to an address that does not name them itself. */
export function withTlsFrom(
  env: { mode?: SslMode | undefined; rootCert?: string | undefined },
  address: string,
): string {
  const parsed = parseDatabaseUrl(address);
  if ('problems' in parsed) return address;
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

/** As in libpq, `require` verifies the server too if there is a root certificate. */
function verifies(mode: string | undefined): boolean {
  return mode === 'require' || mode === 'verify-ca' || mode === 'verify-full';
}

/** Whether a path leads to a readable file of PEM certificates. `system` stands for those that Node itself trusts. */
export function holdsCertificates(path: string): boolean {
  try {
    return path === 'system' || readFileSync(path, 'latin1').includes('-----BEGIN CERTIFICATE-----');
  } catch {
    return false;
  }
}
