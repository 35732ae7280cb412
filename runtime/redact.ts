/** A shorter part of a key is too common in other texts, and too short to be of use to anybody. */
const SHORTEST_PART = 12;
const MARK = '…';

/** The prefix of every Anthropic key, and after it the characters that `domain/keys.ts` allows in one. */
const ANTHROPIC_KEY = /sk-ant-[\w.~+/=:|-]*/g;

/**
 * Strikes keys out of a text that is to be logged, stored or shown: everything that begins like an Anthropic key, and of
 * each of the `known` secrets every part of 12 or more characters, wherever the text quotes it. Redact before cutting a
 * text to length: a cut may leave less of a key than can be recognized.
 */
export function redact(text: string, ...known: readonly string[]): string {
  return known.reduce(withoutParts, text).replace(ANTHROPIC_KEY, `sk-ant-${MARK}`);
}

function withoutParts(text: string, secret: string): string {
  const length = Math.min(SHORTEST_PART, secret.length);
  if (length === 0) return text;
  const parts = new Set(Array.from({ length: secret.length - length + 1 }, (_, at) => secret.slice(at, at + length)));
  let redacted = '';
  let copiedTo = 0;
  let struckTo = 0;
  for (let at = 0; at + length <= text.length; at += 1) {
    if (!parts.has(text.slice(at, at + length))) continue;
    if (at > struckTo || struckTo === 0) redacted += text.slice(copiedTo, at) + MARK;
    struckTo = at + length;
    copiedTo = struckTo;
  }
  return redacted + text.slice(copiedTo);
}
