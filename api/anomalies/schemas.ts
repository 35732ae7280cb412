import { z } from 'zod';
import { FEEDBACKS, INCIDENT_KINDS, INCIDENT_STATES, SENSITIVITIES } from '../../domain/anomalies/incident.ts';
import { SEVERITIES } from '../../domain/notices/content.ts';
import { NOTE_LENGTH, STORED_ENDS } from '../../db/anomalies/tables.ts';
import { amount, dayIn, dayOut, instant, listOf, nullableText, pageQuery, uuid, wholeNumber } from '../http/schemas.ts';
import { idIn } from '../notices/schemas.ts';
import { shownText } from '../http/shown-text.ts';

const kind = z.enum(INCIDENT_KINDS).meta({
  description:
    'A `spike` or a `drop` lasts a day or two, a `level_shift` stays, a `drift` grows day by day. In an `offsetting` move one part rises, another falls, and the total stays. `new_spend` is the first spend on something that was never seen before.',
});
const state = z.enum(INCIDENT_STATES).meta({
  description:
    'It is `open` until it is over and `closed`. It is `withdrawn` if Anthropic corrected its days and they no longer show it.',
});

/** The query of GET /v1/anomalies. */
export const anomaliesQuery = z.strictObject({
  connection_id: idIn.optional().meta({ description: 'Only anomalies of this connection.' }),
  state: state.optional().meta({ description: 'Only anomalies in this state.' }),
  kind: kind.optional().meta({ description: 'Only anomalies of this kind.' }),
  from: dayIn.optional().meta({ description: 'Only anomalies with a day on or after this one.' }),
  to: dayIn.optional().meta({ description: 'Only anomalies with a day on or before this one.' }),
  ...pageQuery,
});

const condition = z
  .strictObject({
    dimension: z.string().meta({ examples: ['workspace'] }),
    value: nullableText.meta({
      description: 'As in the filters of `/v1/costs`. Null is "not reported"; for a workspace it is the default one.',
    }),
    name: z.string().meta({ description: 'What people call it.', examples: ['Production'] }),
  })
  .meta({ id: 'AnomalyCondition' });

const change = z
  .strictObject({
    compared_days: wholeNumber.meta({
      description:
        'How many of its days are compared with as many days before it, on the same weekdays where there are any.',
    }),
    before: amount,
    after: amount,
    change: amount,
    volume: amount.meta({ description: 'Because of more or fewer tokens.' }),
    mix: amount.meta({ description: 'Because tokens went to other models, token types, tiers, …' }),
    price: amount.meta({ description: 'Because the same tokens cost more or less.' }),
    unmatched: amount.meta({ description: 'Cost without tokens.' }),
  })
  .meta({
    description:
      'The cost of the cause on the last of its days, against as many days before it. `volume`, `mix`, `price` and `unmatched` add up to `change` exactly, and mean the same as in `/v1/costs/changes`.',
  });

const feedback = z.enum(FEEDBACKS).meta({
  description: '`expected`: it was planned. `real`: it is a problem. `wrong`: it is no anomaly.',
  examples: ['expected'],
});

/** An anomaly in replies. */
export const anomaly = z
  .strictObject({
    id: uuid,
    connection: z.strictObject({ id: uuid, name: z.string() }),
    kind,
    direction: z.enum(['up', 'down']),
    severity: z.enum(SEVERITIES),
    state,
    end: z.enum(STORED_ENDS).nullable().meta({
      description:
        'Why it is over: the spend is `back`, its level is the `new_normal`, feedback says `expected` or `wrong`, its days were `restated`, the `sensitivity` no longer shows it, or the connection is `disconnected`.',
    }),
    subject: z.string().meta({ description: 'One line.' }),
    sentence: z.string().meta({ description: 'What happened, and why it is over.' }),
    cause: z.array(condition).meta({
      description:
        'The fewest conditions that explain at least 80 % of the excess. Those on one dimension are alternatives, dimensions hold together. Empty: the spend moved as a whole.',
    }),
    within: z.array(condition).meta({ description: 'Where in the cause it happened, if that narrows it further.' }),
    counterpart: z.array(condition).meta({ description: 'What moved the other way.' }),
    explained: z.number().meta({ description: 'The share of the excess that the cause explains; 1 is all of it.' }),
    first_day: dayOut,
    last_day: dayOut,
    detected_on: dayOut.meta({ description: 'The day whose spend decided it.' }),
    days_to_detection: wholeNumber.meta({ description: '1 if the first day decided it.' }),
    observed: amount.meta({ description: 'What the cause cost on its days, in US dollars.' }),
    expected: amount.meta({ description: 'What it was expected to cost.' }),
    excess: amount.meta({ description: 'Observed less expected, exactly; below zero for a drop.' }),
    days: z
      .array(z.strictObject({ day: dayOut, observed: amount, expected: amount, low: amount, high: amount }))
      .meta({ description: 'Each day of it, with the band in which the cost of the cause was expected.' }),
    change,
    strength: z.number().meta({ description: 'How far it went beyond what `medium` asks for; 1 is just enough.' }),
    feedback: z
      .strictObject({
        feedback,
        note: nullableText,
        actor: z.string().meta({ description: 'The name of the token that gave it.' }),
        at: instant,
        effect: nullableText.meta({ description: 'What it changes from now on.' }),
      })
      .nullable()
      .meta({ description: 'The latest; null if nobody said anything.' }),
    explore: z.string().meta({ description: 'The address of its days in the console, with those before.' }),
    notice_id: uuid.nullable().meta({ description: 'What people were told; null if it was over when it was found.' }),
    opened_at: instant,
    ended_at: instant.nullable(),
  })
  .meta({ id: 'Anomaly' });

/** The reply of GET /v1/anomalies. */
export const anomalyList = listOf(anomaly).meta({ id: 'AnomalyList' });

/** The body of POST /v1/anomalies/{id}/feedback. */
export const newFeedback = z
  .strictObject({
    feedback,
    note: shownText({
      most: NOTE_LENGTH,
      description: 'Why, for whoever reads it later.',
      example: 'We load the archive this week.',
    }).optional(),
  })
  .meta({ id: 'AnomalyFeedback' });

/** The settings of anomalies, as a body and as a reply. */
export const anomalySettings = z
  .strictObject({
    sensitivity: z.enum(SENSITIVITIES).meta({
      description: 'How little it takes to open an anomaly. What a lower sensitivity finds, a higher one finds too.',
      examples: ['medium'],
    }),
  })
  .meta({ id: 'AnomalySettings' });
