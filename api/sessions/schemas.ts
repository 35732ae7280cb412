import { z } from 'zod';
import { SESSION_DAYS, SESSION_IDLE_HOURS } from '../../domain/sessions.ts';
import { TOKEN_ROLES } from '../../domain/tokens.ts';
import { instant, listOf, pageQuery, uuid } from '../http/schemas.ts';

const TOKEN = /^[!-~]{1,200}$/;

/** The body of POST /v1/session. */
export const newSession = z
  .strictObject({
    token: z
      .string()
      .regex(TOKEN, 'must be a token: at most 200 printable characters without spaces')
      .meta({
        override: {
          type: 'string',
          format: 'password',
          writeOnly: true,
          pattern: TOKEN.source,
          examples: ['meterline_EXAMPLE-this-is-not-a-real-token'],
        },
        description: 'A token of this API, or the part of a link after `/#/enter/`.',
      }),
  })
  .meta({ id: 'NewSession' });

/** The query of GET /v1/sessions. */
export const sessionsQuery = z.strictObject(pageQuery);

const name = z.string().meta({
  description: 'The name that events show: that of its token, or `console` for a link.',
  examples: ['console'],
});
const role = z.enum(TOKEN_ROLES);

/** A session, without the secret in its cookie. */
export const session = z
  .strictObject({
    id: uuid,
    name,
    role,
    begun_with: z.enum(['link', 'token']),
    token_id: uuid
      .nullable()
      .meta({ description: 'The token that it began with. Null for a link and for `METERLINE_API_TOKEN`.' }),
    current: z.boolean().meta({ description: 'Whether this request belongs to it.' }),
    created_at: instant,
    last_seen_at: instant.meta({ description: 'To the minute.' }),
    expires_at: instant.meta({
      description: `When it ends at the latest: after ${SESSION_DAYS} days, or with its token. It ends ${SESSION_IDLE_HOURS} hours after the last request, too.`,
    }),
  })
  .meta({ id: 'Session' });

/** The reply of GET /v1/session. */
export const whoami = z
  .strictObject({
    name,
    role,
    session: session.nullable().meta({ description: 'Null for a request with a token in its header.' }),
  })
  .meta({ id: 'WhoAmI' });

/** The reply of GET /v1/sessions. */
export const sessionList = listOf(session).meta({ id: 'SessionList' });
