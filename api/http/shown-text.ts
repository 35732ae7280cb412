import { z } from 'zod';
import { CONTROLS, HIDDEN, SPACES, UNFIT_IN_NAMES } from '../../domain/characters.ts';
import { SECRET_PATTERN } from '../../domain/tokens.ts';

const patternOf = (unfit: string): string =>
  `^(?![^${unfit}]*(?:sk-ant-|${SECRET_PATTERN}))[^${unfit}]*[^${HIDDEN}${SPACES}][^${unfit}]*$`;
const SEEN = new RegExp(`[^${HIDDEN}${SPACES}]`, 'u');
const UNSEEN = new RegExp(`[${UNFIT_IN_NAMES}]`, 'u');
const SECRET = new RegExp(SECRET_PATTERN);

interface Meta {
  readonly most: number;
  readonly description: string;
  readonly example: string;
}

/** A text of a request that is shown in the clear later. Spaces at its ends are dropped. */
export function shownText(meta: Meta): z.ZodType<string, string> {
  return checkedText(meta, CONTROLS, (text) => problemWith(text, meta.most));
}

/** A {@link shownText} that people know something by: two that look the same are the same, so nothing in it is invisible. */
export function shownName(meta: Meta): z.ZodType<string, string> {
  return checkedText(meta, UNFIT_IN_NAMES, (text) => problemWith(text, meta.most) ?? problemWithUnseen(text));
}

function checkedText(
  { most, description, example }: Meta,
  unfit: string,
  problemOf: (text: string) => string | null,
): z.ZodType<string, string> {
  return z
    .string()
    .superRefine((text, context) => {
      const problem = problemOf(text);
      if (problem !== null) context.addIssue(problem);
    })
    .transform((text) => text.trim())
    .meta({
      override: { type: 'string', minLength: 1, maxLength: most, pattern: patternOf(unfit), examples: [example] },
      description: `${description} It is shown in the clear, so it must not contain a key (\`sk-ant-…\`) or a token of this API (\`meterline_…\`).`,
    });
}

function problemWithUnseen(text: string): string | null {
  const code = UNSEEN.exec(text)?.[0].codePointAt(0);
  if (code === undefined) return null;
  const spelled = code.toString(16).toUpperCase().padStart(4, '0');
  return `must not contain characters that nobody sees; remove U+${spelled}`;
}

function problemWith(text: string, most: number): string | null {
  if (!SEEN.test(text)) return 'must not be empty';
  if (Array.from(text).length > most) return `must be at most ${most} characters`;
  if (/[\p{Cc}\p{Cs}]/u.test(text)) return 'must not contain control characters';
  // People paste keys into the wrong field.
  if (SECRET.test(text)) return 'must not contain a token';
  return text.includes('sk-ant-') ? 'must not contain a key' : null;
}
