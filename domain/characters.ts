/** Control characters, for a class of a regular expression. */
export const CONTROLS = '\\u0000-\\u001f\\u007f-\\u009f';
/** What `trim()` removes, apart from control characters, for a class of a regular expression. */
export const SPACES = ' \\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\ufeff';

/** The ranges of Unicode's category Cf, in hex. These characters are invisible, so two names with them may look the same. */
const INVISIBLE =
  'ad 600-605 61c 6dd 70f 890-891 8e2 180e 200b 200e-200f 202a-202e 2060-2064 2066-206f feff fff9-fffb 110bd 110cd 13430-1343f 1bca0-1bca3 1d173-1d17a e0001 e0020-e007f';
/** They join or part the characters beside them: emoji and several languages need them. */
const JOINERS = '200c-200d';
/** What no name that people choose has in it, for a class of a regular expression. */
export const UNFIT_IN_NAMES = CONTROLS + classOf(INVISIBLE);
/** Control characters, and those that nobody sees, for a class of a regular expression. */
export const HIDDEN = UNFIT_IN_NAMES + classOf(JOINERS);

function classOf(ranges: string): string {
  return ranges.replaceAll(/[0-9a-f]+/g, inClass).replaceAll(' ', '');
}

/** A character for a regular expression, as itself beyond U+FFFF, where engines differ in their escapes. */
function inClass(hex: string): string {
  return hex.length > 4 ? String.fromCodePoint(Number.parseInt(hex, 16)) : `\\u${hex.padStart(4, '0')}`;
}

/**
 * Characters that turn what stands around them, or are nothing to see. Names that others chose are shown without them. Joiners
 * stay.
 */
const DECEIVING =
  /[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udc7f]/g;

/** A text from outside without characters that hide it or turn what stands around them. */
export function withoutDeceit(text: string): string {
  return text.replace(DECEIVING, '');
}
