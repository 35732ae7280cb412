import { z } from 'zod';
import { isDay } from '../../domain/days.ts';
import { TOKEN_NAME_LENGTH, TOKEN_NAME_PATTERN, TOKEN_ROLES, problemWithTokenName } from '../../domain/tokens.ts';
import { instant, listOf, nullableText, pageQuery, uuid } from '../http/schemas.ts';

const INSTANT =
  /^(?:20|21)[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])$/;

/** The body of POST /v1/tokens. */
export const newToken = z
  .strictObject({
    name: z
      .string()
      .superRefine((text, context) => {
        const problem = problemWithTokenName(text);
        if (problem !== null) context.addIssue(problem);
      })
      .meta({
        override: { minLength: 1, maxLength: TOKEN_NAME_LENGTH, pattern: TOKEN_NAME_PATTERN },
        description: 'The name that events show for whoever uses this token. Unique among tokens that are not revoked.',
        examples: ['grafana'],
      }),
    role: z
      .enum(TOKEN_ROLES)
      .meta({ description: 'An `admin` does everything, a `viewer` only reads.', examples: ['viewer'] }),
    expires_at: z
      .string()
      .refine(
        (text) => INSTANT.test(text) && isDay(text.slice(0, 10)),
        'must be an instant in the future, such as 2026-01-31T06:12:00Z',
      )
      .transform((text) => new Date(text))
      .optional()
      .meta({
        override: {
          type: 'string',
          format: 'date-time',
          pattern: INSTANT.source,
          examples: ['2199-01-31T06:12:00Z'],
        },
        description:
          'An instant in the future (RFC 3339). Without it, the new token expires with the token that creates it, or never.',
      }),
  })
  .meta({ id: 'NewToken' });

/** The query of GET /v1/tokens. */
export const tokensQuery = z.strictObject(pageQuery);

const tokenFields = {
  id: uuid,
  name: z.string().meta({ examples: ['grafana'] }),
  role: z.enum(TOKEN_ROLES),
  created_at: instant,
  created_by: z.string().meta({
    description:
      'The name of the token that created it; `console` for a session that began with a link, `command` for a command on the server.',
  }),
  expires_at: instant.nullable().meta({ description: 'Null: it never expires.' }),
  revoked_at: instant.nullable().meta({ description: 'Null: it is not revoked.' }),
  revoked_by: nullableText.meta({ description: 'The name of the token that revoked it.' }),
  last_used_at: instant.nullable().meta({ description: 'To the minute.' }),
};

/** A token in lists, without its secret text. */
export const token = z.strictObject(tokenFields).meta({ id: 'Token' });

/** The reply of POST /v1/tokens, the only one that contains the text of the token. */
export const madeToken = z
  .strictObject({ ...tokenFields, token: z.string().meta({ description: 'Shown only once.', format: 'password' }) })
  .meta({ id: 'MadeToken' });

/** The reply of GET /v1/tokens. */
export const tokenList = listOf(token).meta({ id: 'TokenList' });
