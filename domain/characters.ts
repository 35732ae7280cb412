/** Control characters, for a class of a regular expression. */
export const CONTROLS = '\\u0000-\\u001f\\u007f-\\u009f';
/** What `trim()` removes, apart from control characters, for a class of a regular expression. */
export const SPACES = ' \\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\ufeff';
