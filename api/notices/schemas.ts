import { z } from 'zod';
import { SEVERITIES } from '../../domain/notices/content.ts';
import { DELIVERY_STATES } from '../../domain/notices/deliveries.ts';
import { NOTICE_KINDS, NOTICE_STATES } from '../../domain/notices/kinds.ts';
import { delivery } from '../channels/schemas.ts';
import { instant, listOf, nullableText, pageQuery, uuid, wholeNumber } from '../http/schemas.ts';

const ID = '^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$';

/** The id of something in a query. */
export const idIn = z
  .string()
  .regex(new RegExp(ID), 'must be an id')
  .meta({ examples: ['0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b'] });

/** The query of GET /v1/notices. */
export const noticesQuery = z.strictObject({
  kind: z.enum(NOTICE_KINDS).optional().meta({ description: 'Only notices of this kind.' }),
  state: z
    .enum(NOTICE_STATES)
    .optional()
    .meta({ description: 'Only `open` ones, `closed` ones, or those that proved wrong and are `withdrawn`.' }),
  connection_id: idIn.optional().meta({ description: 'Only notices about this connection.' }),
  ...pageQuery,
});

/** The query of GET /v1/deliveries. */
export const deliveriesQuery = z.strictObject({
  state: z.enum(DELIVERY_STATES).optional().meta({ description: 'Only deliveries in this state.' }),
  notice_id: idIn.optional().meta({ description: 'Only deliveries of this notice.' }),
  channel_id: idIn.optional().meta({ description: 'Only deliveries to this channel, also after it was deleted.' }),
  ...pageQuery,
});

/** A notice in replies. */
export const notice = z
  .strictObject({
    id: uuid,
    kind: z.enum(NOTICE_KINDS),
    severity: z.enum(SEVERITIES),
    state: z.enum(NOTICE_STATES),
    connection_id: uuid.nullable().meta({ description: 'Null for a notice that is about no connection.' }),
    subject: z.string(),
    sentence: z.string().meta({ description: 'What happened.' }),
    action: nullableText.meta({ description: 'What to do; null if there is nothing to do.' }),
    data: z.unknown().meta({ description: 'The exact facts, as webhooks carry them.' }),
    opened_at: instant,
    closed_at: instant.nullable(),
    withdrawn_at: instant.nullable(),
    withdrawn_reason: nullableText.meta({ description: 'Why it was wrong, if it was.' }),
    deliveries: z
      .strictObject({ sent: wholeNumber, waiting: wholeNumber, attention: wholeNumber })
      .meta({ description: 'How many addresses have it, how many wait for it, and how many need a person.' }),
  })
  .meta({ id: 'Notice' });

/** The reply of GET /v1/notices. */
export const noticeList = listOf(notice).meta({ id: 'NoticeList' });

/** The reply of GET /v1/deliveries. */
export const deliveryList = listOf(delivery).meta({ id: 'DeliveryList' });
