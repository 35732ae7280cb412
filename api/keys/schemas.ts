import { z } from 'zod';
import { AdminKey, KEY_ENDS, KEY_PATTERN, KEY_STATES } from '../../domain/keys.ts';
import { Problem } from '../http/problems.ts';
import { failure, hint, instant, listOf, pageQuery, uuid, workflowId } from '../http/schemas.ts';

/** An Admin key in a body. `adminKeyOf` checks its shape, since a wrong one is a `key_format` and not a bad request. */
export const adminApiKey = z.string().meta({
  override: {
    type: 'string',
    format: 'password',
    writeOnly: true,
    pattern: KEY_PATTERN,
    examples: ['sk-ant-admin01-EXAMPLE-this-is-not-a-real-key'],
  },
  description: 'A whole Anthropic Admin API key (`sk-ant-admin…`). It is never shown again.',
});

/** The Admin key of a body. Throws a `key_format` problem that does not quote the text. */
export function adminKeyOf(body: { readonly admin_api_key: string }): AdminKey {
  const parsed = AdminKey.parse(body.admin_api_key);
  if (!parsed.ok) throw new Problem('key_format', { detail: parsed.problem });
  return parsed.key;
}

/** The body of the routes that take a key. */
export const newKey = z.strictObject({ admin_api_key: adminApiKey }).meta({ id: 'NewKey' });

/** The query of GET /v1/connections/{id}/keys. */
export const keysQuery = z.strictObject({
  state: z.enum(KEY_STATES).optional().meta({ description: 'Only keys in this state.' }),
  ...pageQuery,
});

/** A key before Anthropic's verdict on it. */
export const candidate = z
  .strictObject({
    id: uuid,
    hint,
    state: z.enum(KEY_STATES),
    error: failure.nullable().meta({ description: 'How its last try failed.' }),
    next_try_at: instant.nullable().meta({ description: 'When it is tried again; null if that is not known.' }),
  })
  .meta({ id: 'Candidate', description: "A new key that still waits for Anthropic's verdict." });

const rotation = z
  .strictObject({
    workflow_id: workflowId,
    name: z.literal('rotateKey'),
    input: z.strictObject({ keyId: uuid }),
  })
  .meta({ description: "The signal to send in Temporal's UI or command line. It contains no secret." });

/** The reply of GET /v1/connections/{id}/keys. */
export const keyList = listOf(
  z
    .strictObject({
      id: uuid,
      hint,
      state: z.enum(KEY_STATES),
      error: failure.nullable().meta({ description: 'How its last try failed, or why it was refused.' }),
      end_reason: z.enum(KEY_ENDS).nullable().meta({ description: 'Why it was destroyed.' }),
      next_try_at: instant.nullable(),
      expires_at: instant
        .nullable()
        .meta({ description: 'When a candidate is destroyed if nobody asks to use it before.' }),
      signal: rotation.nullable().meta({ description: 'The signal that asks to use a candidate.' }),
      added_at: instant,
      requested_at: instant.nullable().meta({ description: 'When somebody asked to use it.' }),
      activated_at: instant.nullable(),
      last_used_at: instant.nullable(),
      ended_at: instant.nullable(),
    })
    .meta({ id: 'Key' }),
).meta({ id: 'KeyList' });

/** What is next for a key that was added. */
export const SIGNAL_NEXT =
  'Nothing is rotated yet. Send the signal to the workflow within 24 hours, and Meterline asks Anthropic about the key and changes over once it is accepted. POST …/rotate-key does both at once.';

/** The reply of POST /v1/connections/{id}/keys. */
export const addedKey = z
  .strictObject({
    key_id: uuid,
    hint,
    state: z.enum(KEY_STATES).meta({ description: '`candidate`: the key is stored, and nothing uses it yet.' }),
    action: z.string().meta({
      description: 'What to do next, since the connection goes on with the key that it has.',
      examples: [SIGNAL_NEXT],
    }),
    signal: rotation,
  })
  .meta({ id: 'AddedKey' });
