import { z } from 'zod';
import { CONTROLS, HIDDEN, SPACES } from '../../domain/characters.ts';
import { SECRET_PATTERN } from '../../domain/tokens.ts';

const PATTERN = `^(?![^${CONTROLS}]*(?:sk-ant-|${SECRET_PATTERN}))[^${CONTROLS}]*[^${HIDDEN}${SPACES}][^${CONTROLS}]*$`;
const SEEN = new RegExp(`[^${HIDDEN}${SPACES}]`, 'u');
const SECRET = new RegExp(SECRET_PATTERN);

/** A text of a request that is shown in the clear later. Spaces at its ends are dropped. */
export function shownText(meta: {
  readonly most: number;
  readonly description: string;
  readonly example: string;
}): z.ZodType<string, string> {
  return z
    .string()
    .superRefine((text, context) => {
      const problem = problemWith(text, meta.most);
      if (problem !== null) context.addIssue(problem);
    })
    .transform((text) => text.trim())
    .meta({
      override: { type: 'string', minLength: 1, maxLength: meta.most, pattern: PATTERN, examples: [meta.example] },
      description: `${meta.description} It is shown in the clear, so it must not contain a key (\`sk-ant-…\`) or a token of this API (\`meterline_…\`).`,
    });
}

function problemWith(text: string, most: number): string | null {
  if (!SEEN.test(text)) return 'must not be empty';
  if (Array.from(text).length > most) return `must be at most ${most} characters`;
  if (/[\p{Cc}\p{Cs}]/u.test(text)) return 'must not contain control characters';
  // People paste keys into the wrong field.
  if (SECRET.test(text)) return 'must not contain a token';
  return text.includes('sk-ant-') ? 'must not contain a key' : null;
}
