import { z } from 'zod';
import { DEPLOYMENT_EVENTS } from '../../domain/events.ts';
import { instant, listOf, pageQuery, wholeNumber } from '../http/schemas.ts';

/** The query of GET /v1/events. */
export const deploymentEventsQuery = z.strictObject({
  type: z.enum(DEPLOYMENT_EVENTS).optional().meta({ description: 'Only events of this type.' }),
  ...pageQuery,
});

/** The reply of GET /v1/events. */
export const deploymentEventList = listOf(
  z.strictObject({
    id: wholeNumber,
    type: z.enum(DEPLOYMENT_EVENTS),
    actor: z.string().meta({
      description:
        'The name of the token that asked for it; `console` for a session that began with a link, `command` for a command on the server.',
      examples: ['bootstrap'],
    }),
    message: z.string().meta({ description: 'What happened, as a sentence.' }),
    at: instant,
  }),
).meta({ id: 'DeploymentEventList' });
