/**
 * The address that a text names, or null if it names none. `URL.canParse` is not asked: once Node 20 or 22 has compiled
 * it, after some thousand calls, it refuses hosts with letters such as ü (nodejs/node, its fast call reads Latin-1 as
 * UTF-8; seen with 20.20.2).
 */
export function parseUrl(text: string, base?: string): URL | null {
  try {
    return new URL(text, base);
  } catch {
    return null;
  }
}
