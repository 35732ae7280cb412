import { z } from 'zod';
import {
  INCIDENT_ENDS,
  INCIDENT_KINDS,
  INCIDENT_STATES,
  type Incident,
  type IncidentDay,
} from '../../domain/anomalies/incident.ts';
import { SEVERITIES } from '../../domain/notices/content.ts';
import { jsonOf } from '../core/columns.ts';
import { dayJson, decimalText } from '../core/json.ts';

const conditions = z.array(z.object({ dimension: z.string(), value: z.string().nullable() }));

const incidentDay = z.object({
  day: dayJson,
  observed: decimalText,
  expected: decimalText,
  low: decimalText,
  high: decimalText,
}) satisfies z.ZodType<IncidentDay>;

/** An incident as it was decided. Whoever decides next gets exactly this back. */
const incidentJson: z.ZodType<Incident> = z.object({
  key: z.string(),
  kind: z.enum(INCIDENT_KINDS),
  direction: z.enum(['up', 'down']),
  severity: z.enum(SEVERITIES),
  state: z.enum(INCIDENT_STATES),
  end: z.enum(INCIDENT_ENDS).nullable(),
  cause: conditions,
  within: conditions,
  counterpart: conditions,
  explained: z.number(),
  firstDay: dayJson,
  lastDay: dayJson,
  detectedOn: dayJson,
  daysToDetection: z.int(),
  observed: decimalText,
  expected: decimalText,
  excess: decimalText,
  days: z.array(incidentDay),
  change: z.object({
    before: decimalText,
    after: decimalText,
    change: decimalText,
    volume: decimalText,
    mix: decimalText,
    price: decimalText,
    unmatched: decimalText,
  }),
  strength: z.number(),
  sentence: z.string(),
});

/** An {@link Incident}. */
export const incidentColumn = jsonOf(incidentJson);
