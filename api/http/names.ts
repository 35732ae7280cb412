import { z } from 'zod';
import { CONTROLS, HIDDEN, SPACES } from '../../domain/characters.ts';
import { SECRET_PATTERN } from '../../domain/tokens.ts';

/** The longest name, in characters. */
export const NAME_LENGTH = 100;
const NAME_PATTERN = `^(?![^${CONTROLS}]*(?:sk-ant-|${SECRET_PATTERN}))[^${CONTROLS}]*[^${HIDDEN}${SPACES}][^${CONTROLS}]*$`;
const SEEN = new RegExp(`[^${HIDDEN}${SPACES}]`, 'u');
const SECRET = new RegExp(SECRET_PATTERN);

/** What people call something. Names are shown in the clear, so nothing that looks like a secret is one. */
export function nameIn(description: string, example: string): z.ZodType<string> {
  return z
    .string()
    .superRefine((text, context) => {
      const problem = problemWithName(text);
      if (problem !== null) context.addIssue(problem);
    })
    .transform((text) => text.trim())
    .meta({
      override: {
        type: 'string',
        minLength: 1,
        maxLength: NAME_LENGTH,
        pattern: NAME_PATTERN,
        examples: [example],
      },
      description: `${description} Spaces at its ends are dropped. It is shown in the clear, so it must not contain a key (\`sk-ant-…\`) or a token of this API (\`meterline_…\`).`,
    });
}

function problemWithName(text: string): string | null {
  if (!SEEN.test(text)) return 'must not be empty';
  if (Array.from(text).length > NAME_LENGTH) return `must be at most ${NAME_LENGTH} characters`;
  if (/[\p{Cc}\p{Cs}]/u.test(text)) return 'must not contain control characters';
  // People paste keys into the wrong field.
  if (SECRET.test(text)) return 'must not contain a token';
  return text.includes('sk-ant-') ? 'must not contain a key' : null;
}
