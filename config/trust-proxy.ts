import { z } from 'zod';

/** Ranges that Express knows by name, and the one address with leading zeros that a proxy may have. */
const NAMED = ['loopback', 'linklocal', 'uniquelocal', '::1', '::1/128'];
const MOST_PROXIES = 32;
/** The widths of the widest private ranges, 10.0.0.0/8 and fc00::/7. In a wider one any client could choose its address. */
const WIDEST = { ipv4: 8, ipv6: 7 };

const FORM =
  'must be the number of proxies in front of the API, or their addresses or ranges (10.0.0.0/8) with commas between';

/** `METERLINE_TRUST_PROXY`: a number of proxies, or a list of addresses, ranges and names of ranges. */
export const trustProxy = z.string().transform((text, context): number | readonly string[] => {
  if (/^\d+$/.test(text)) {
    if (Number(text) <= MOST_PROXIES) return Number(text);
    context.addIssue(`must be at most ${MOST_PROXIES} proxies`);
    return z.NEVER;
  }
  const entries = text.split(',').map((entry) => entry.trim());
  const problems = new Set(entries.map(problemWith).filter((problem) => problem !== null));
  for (const problem of problems) context.addIssue(problem);
  return problems.size > 0 ? z.NEVER : entries;
});

function problemWith(entry: string): string | null {
  if (NAMED.includes(entry)) return null;
  const [address = '', width] = entry.split('/');
  const isIpv4 = z.ipv4().safeParse(address).success;
  if (!isIpv4 && !z.ipv6().safeParse(address).success) return FORM;
  // Every IPv4 address can be written as an IPv6 address of these ranges.
  if (!isIpv4 && /^0*:/.test(address)) return 'must name no IPv6 range with leading zeros: name the IPv4 address';
  if (width === undefined && !entry.includes('/')) return null;
  if (!/^\d{1,3}$/.test(width ?? '') || entry.split('/').length !== 2) return FORM;
  const bits = Number(width);
  const [widest, most] = isIpv4 ? [WIDEST.ipv4, 32] : [WIDEST.ipv6, 128];
  if (bits > most) return FORM;
  return bits < widest ? `must name no range wider than /${widest}: whoever is in it can choose any address` : null;
}
