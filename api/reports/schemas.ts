import { z } from 'zod';
import { REPORT_QUERY } from '../../db/reports/numbers.ts';
import { REPORT_NAME_LENGTH } from '../../db/reports/tables.ts';
import { EVERY, HOURS, TIME_ZONE_LENGTH, TIME_ZONE_PATTERN } from '../../domain/reports/periods.ts';
import { delivery } from '../channels/schemas.ts';
import { dayOut, instant, listOf, nullableText, pageQuery, uuid, warnings } from '../http/schemas.ts';
import { shownName } from '../http/shown-text.ts';
import { notice } from '../notices/schemas.ts';
import { storedQueryIn, storedQueryOut } from '../spend/stored-query.ts';

const MAX_CHANNELS = 50;

const name = shownName({
  most: REPORT_NAME_LENGTH,
  description: 'What people call the report. No two reports have the same name. Spaces at its ends are dropped.',
  example: 'Weekly costs by team',
});
const every = z.enum(EVERY).meta({
  description:
    '`daily` tells the day before, `weekly` on Mondays the last week from Monday to Sunday, `monthly` on the first the last month: by the calendar of the time zone. The days are those of the ledger, which are in UTC.',
  examples: ['weekly'],
});
const hour = z
  .int(`must be a whole number from ${HOURS.least} to ${HOURS.most}`)
  .min(HOURS.least, `must be at least ${HOURS.least}: clock changes skip and repeat earlier hours`)
  .max(HOURS.most, `must be at most ${HOURS.most}`)
  .meta({ description: 'The hour in the time zone at which it is told.', examples: [8] });
const timeZone = z
  .string()
  .max(TIME_ZONE_LENGTH, `must be at most ${TIME_ZONE_LENGTH} characters`)
  .regex(new RegExp(TIME_ZONE_PATTERN), 'must be the name of a time zone, such as Europe/Berlin')
  .meta({ description: 'The name of a time zone of the IANA database.', examples: ['Europe/Berlin'] });
const channels = z
  .array(z.guid('must be the id of a channel'))
  .min(1, 'must name a channel; null stands for every channel that takes reports')
  .max(MAX_CHANNELS, `must name at most ${MAX_CHANNELS} channels`)
  .nullable()
  .meta({
    description:
      'The channels that it goes to, whatever they subscribe to. Null, or nothing, stands for every channel that takes the kind `report`.',
  });
const query = storedQueryIn(REPORT_QUERY);

/** The body of POST /v1/reports. */
export const newReport = z
  .strictObject({
    name,
    every,
    hour,
    time_zone: timeZone,
    query: query.optional(),
    channels: channels.optional(),
  })
  .meta({ id: 'NewReport' });

/** The body of PATCH /v1/reports/{id}. */
export const reportChange = z
  .strictObject({
    name: name.optional(),
    every: every.optional(),
    hour: hour.optional(),
    time_zone: timeZone.optional(),
    query: query.optional(),
    channels: channels.optional(),
  })
  .meta({ id: 'ReportChange' });

/** The query of GET /v1/reports. */
export const reportsQuery = z.strictObject(pageQuery);

/** A report in replies. */
export const report = z
  .strictObject({
    id: uuid,
    name: z.string().meta({ examples: ['Weekly costs by team'] }),
    every: z.enum(EVERY),
    hour: z.int(),
    time_zone: z.string().meta({ examples: ['Europe/Berlin'] }),
    query: storedQueryOut,
    channels: z.array(uuid).nullable().meta({
      description: 'Null stands for every channel that takes reports. A channel that was deleted since stays listed.',
    }),
    attention: nullableText.meta({
      description:
        'What keeps the report from being told, in words: every channel of it is gone, or its query has no meaning any more. Null if nothing does.',
    }),
    warnings: warnings.meta({
      description:
        'Filters by a connection that does not exist any more, or that has a newer one of the same organization beside it.',
    }),
    created_at: instant,
    created_by: z.string().meta({ description: 'The name of the token that made it.' }),
    schedule: z
      .strictObject({
        id: z.string(),
        paused: z.boolean(),
        next_run_at: instant.nullable().meta({ description: 'Null while it is paused.' }),
      })
      .nullable()
      .meta({
        id: 'ReportSchedule',
        description:
          'Its Schedule in Temporal, which people trigger, pause and resume in the Temporal UI. Null while Temporal does not answer, and until a worker has made the Schedule.',
      }),
    last: z
      .strictObject({
        period: z.strictObject({ from: dayOut, to: dayOut }),
        notice_id: uuid.nullable().meta({ description: 'Null if the notice was deleted since.' }),
        at: instant,
      })
      .nullable()
      .meta({ id: 'LastReport', description: 'What it told last.' }),
    temporal: z
      .strictObject({
        schedule_id: z.string(),
        url: nullableText.meta({
          description: "The address of the Schedule in Temporal's UI; null if the API does not know that UI.",
        }),
      })
      .meta({ id: 'ScheduleInTemporal' }),
  })
  .meta({ id: 'Report' });

/** The reply of GET /v1/reports. */
export const reportList = listOf(report).meta({ id: 'ReportList' });

/** The reply of POST /v1/reports/{id}/run. */
export const reportRun = z
  .strictObject({
    period: z.strictObject({ from: dayOut, to: dayOut }),
    notice,
    deliveries: z.array(delivery).meta({ description: 'One for each address.' }),
  })
  .meta({ id: 'ReportRun' });
