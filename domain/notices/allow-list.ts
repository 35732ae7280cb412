import { isWithin, parseIp, parseRange, plainIp, reachOf, type IpRange } from './ip.ts';

/** What `METERLINE_NOTIFY_ALLOW` names: places in private networks that notices may go to, also by http. */
export interface AllowList {
  /** Names of hosts, in small letters. */
  readonly hosts: readonly string[];
  readonly ranges: readonly IpRange[];
}

export const ALLOW_NOTHING: AllowList = { hosts: [], ranges: [] };

const HOST =
  /^(?=.{1,253}$)(?!.*\.\d+$)[a-z\d_](?:[a-z\d_-]{0,61}[a-z\d_])?(?:\.[a-z\d_](?:[a-z\d_-]{0,61}[a-z\d_])?)*$/;

/** Reads hosts, addresses and ranges with commas between; null if an entry is none of these. */
export function parseAllowList(text: string): AllowList | null {
  const entries = text.split(',').map((entry) => entry.trim().toLowerCase());
  const hosts: string[] = [];
  const ranges: IpRange[] = [];
  for (const entry of entries) {
    const range = parseRange(entry.replace(/^\[(.*)\]$/, '$1'));
    if (range !== null) ranges.push(range);
    else if (HOST.test(entry)) hosts.push(entry);
    else return null;
  }
  return { hosts, ranges };
}

/** The host of a URL without the brackets of IPv6 and the dot of the root. */
export function bareHost(hostname: string): string {
  return hostname
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '');
}

/** Whether the list names a host itself, by name or as an address. */
export function isNamed(hostname: string, allow: AllowList): boolean {
  const host = bareHost(hostname);
  return allow.hosts.includes(host) || isInRanges(host, allow);
}

function isInRanges(address: string, { ranges }: AllowList): boolean {
  const ip = parseIp(address);
  return ip !== null && ranges.some((range) => isWithin(ip, range) || isWithin(plainIp(ip), range));
}

/**
 * Why nothing is sent to an address, as the end of a sentence that begins with it; null if it may be. `hostname` is the
 * host of the target, and `address` one that it has. A named host may have any address that somebody can have.
 */
export function problemWithAddress(hostname: string, address: string, allow: AllowList): string | null {
  const ip = parseIp(address);
  if (ip === null) return 'is no address';
  switch (reachOf(ip)) {
    case 'public':
      return null;
    case 'nobody':
      return 'is an address that nobody can have';
    case 'private':
      if (allow.hosts.includes(bareHost(hostname)) || isInRanges(address, allow)) return null;
      return 'is a private address that METERLINE_NOTIFY_ALLOW does not name';
  }
}
