import { z } from 'zod';

/** Ranges that Express knows by name, and the one address beginning with zeros that a proxy may have. */
const NAMED = ['loopback', 'linklocal', 'uniquelocal', '::1', '::1/128'];
const MOST_PROXIES = 32;
/** No wider than the widest private ones, 10.0.0.0/8 and fc00::/7: who trusts everybody lets everybody choose an address. */
const WIDEST = { ipv4: 8, ipv6: 7 };

const FORM =
  'must be the number of proxies before the API, or their addresses or ranges (10.0.0.0/8) with commas between';

/** `METERLINE_TRUST_PROXY`: a number of proxies, or a list of addresses, ranges and names of ranges. */
export const trustProxy = z.string().transform((text, context): number | readonly string[] => {
  if (/^\d+$/.test(text)) {
    if (Number(text) <= MOST_PROXIES) return Number(text);
    context.addIssue(`must be ${MOST_PROXIES} proxies at most`);
    return z.NEVER;
  }
  const entries = text.split(',').map((entry) => entry.trim());
  const faults = entries.map(faultOf).filter((fault) => fault !== null);
  for (const fault of new Set(faults)) context.addIssue(fault);
  return faults.length > 0 ? z.NEVER : entries;
});

function faultOf(entry: string): string | null {
  if (NAMED.includes(entry)) return null;
  const [address = '', width] = entry.split('/');
  const isIpv4 = z.ipv4().safeParse(address).success;
  if (!isIpv4 && !z.ipv6().safeParse(address).success) return FORM;
  // These hold every IPv4 address in its notation as an IPv6 address.
  if (!isIpv4 && /^0*:/.test(address)) return 'must name no IPv6 range that begins with zeros: name the IPv4 address';
  if (width === undefined && !entry.includes('/')) return null;
  if (!/^\d{1,3}$/.test(width ?? '') || entry.split('/').length !== 2) return FORM;
  const bits = Number(width);
  const [widest, most] = isIpv4 ? [WIDEST.ipv4, 32] : [WIDEST.ipv6, 128];
  if (bits > most) return FORM;
  return bits < widest ? `must name no range wider than /${widest}: whoever is in it can choose any address` : null;
}
