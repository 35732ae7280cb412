/** An IP address as a number. */
export interface Ip {
  readonly version: 4 | 6;
  readonly value: bigint;
}

/** All addresses that begin with the same `width` bits. */
export interface IpRange extends Ip {
  readonly width: number;
}

/** Reads an address; null for any other text. A zone (`%eth0`) is dropped, and the octal and hex spellings of IPv4 are refused. */
export function parseIp(text: string): Ip | null {
  return text.includes(':') ? parseIpv6(text.replace(/%.*$/s, '')) : parseIpv4(text);
}

function parseIpv4(text: string): Ip | null {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return null;
  return { version: 4, value: parts.reduce((value, part) => (value << 8n) | BigInt(part), 0n) };
}

function parseIpv6(text: string): Ip | null {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  if (dotted !== null) {
    const ipv4 = parseIpv4(dotted[2] ?? '');
    if (ipv4 === null) return null;
    return parseIpv6(`${dotted[1] ?? ''}${(ipv4.value >> 16n).toString(16)}:${(ipv4.value & 0xffffn).toString(16)}`);
  }
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const [before = [], after = []] = halves.map((half) => (half === '' ? [] : half.split(':')));
  const missing = 8 - before.length - after.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
  const groups = [...before, ...Array.from({ length: missing }, () => '0'), ...after];
  if (!groups.every((group) => /^[\da-f]{1,4}$/i.test(group))) return null;
  return { version: 6, value: groups.reduce((value, group) => (value << 16n) | BigInt(`0x${group}`), 0n) };
}

/** Reads an address or a range such as `10.0.0.0/8`; null for any other text. An address is a range of its own. */
export function parseRange(text: string): IpRange | null {
  const [, address = '', width] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const ip = parseIp(address);
  if (ip === null || address.includes('%')) return null;
  const bits = bitsOf(ip);
  const wide = width === undefined ? bits : Number(width);
  return wide > bits ? null : { ...ip, width: wide };
}

function bitsOf({ version }: Ip): number {
  return version === 4 ? 32 : 128;
}

/** Whether an address is in a range. */
export function isWithin(ip: Ip, range: IpRange): boolean {
  if (ip.version !== range.version) return false;
  const rest = BigInt(bitsOf(ip) - range.width);
  return ip.value >> rest === range.value >> rest;
}

/** IPv6 ranges whose addresses stand for the IPv4 address in their last 32 bits: mapped ones, and NAT64's. */
const EMBEDDING = ranges('::ffff:0:0/96 64:ff9b::/96');

/** The IPv4 address that an IPv6 address leads to, or the address itself. */
export function plainIp(ip: Ip): Ip {
  if (!EMBEDDING.some((range) => isWithin(ip, range))) return ip;
  return { version: 4, value: ip.value & 0xffff_ffffn };
}

/** Nothing that listens to one person has such an address: unspecified, multicast, broadcast, reserved. */
const NOBODYS = ranges('0.0.0.0/8 224.0.0.0/4 240.0.0.0/4 ::/128 ff00::/8');
/** Addresses of this machine and its networks, and those that IANA's registries of special addresses do not call global. */
const PRIVATE_IPV4 = ranges(
  '10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24',
);
/** Of IPv6, only these are global, except for tunnels to IPv4, protocols of the IETF and documentation. */
const GLOBAL_IPV6 = ranges('2000::/3');
const SPECIAL_IPV6 = ranges('2001::/23 2001:db8::/32 2002::/16 3fff::/20');

function ranges(text: string): readonly IpRange[] {
  return text.split(' ').map((range) => {
    const parsed = parseRange(range);
    if (parsed === null) throw new TypeError(`not a range: ${range}`);
    return parsed;
  });
}

/** Who can have an address: anybody on the internet, only somebody near, or nobody. */
export function reachOf(address: Ip): 'public' | 'private' | 'nobody' {
  const ip = plainIp(address);
  const isIn = (list: readonly IpRange[]): boolean => list.some((range) => isWithin(ip, range));
  if (isIn(NOBODYS)) return 'nobody';
  if (ip.version === 4) return isIn(PRIVATE_IPV4) ? 'private' : 'public';
  return isIn(GLOBAL_IPV6) && !isIn(SPECIAL_IPV6) ? 'public' : 'private';
}
