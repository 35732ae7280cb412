import { z } from 'zod';
import { FOCUS_VERSIONS } from '../../domain/focus/columns.ts';
import { FOCUS_FORMATS } from '../../exports/focus.ts';
import { rangeQuery } from '../http/schemas.ts';
import { connections } from '../spend/parameters.ts';

const version = z
  .enum(FOCUS_VERSIONS)
  .default('1.4')
  .meta({ description: 'The version of FOCUS. 1.3 has `ProviderName`, `PublisherName` and `InvoiceId` as well.' });
const format = z.enum(FOCUS_FORMATS).optional().meta({
  description:
    'What the file is written in. Without it, the header Accept decides, and it is CSV unless that prefers Parquet.',
});
const allocated = z.enum(['true', 'false']).default('false').meta({
  description:
    'With `true`, a row for each cost center that shares a line, with the amounts of chargeback. The range must consist of whole months, by default the running one.',
});

/** The query of GET /v1/exports/focus and of its metadata. */
export const focusQuery = z.strictObject({
  version,
  format,
  ...rangeQuery,
  connection_id: connections.connection_id,
  allocated,
});

const instant = z.string().meta({ format: 'date-time', examples: ['2026-11-01T00:00:00Z'] });
const text = z.string();

const columnDefinition = z
  .strictObject({
    ColumnName: text.meta({ examples: ['BilledCost'] }),
    DataType: z.enum(['STRING', 'DECIMAL', 'DATETIME', 'JSON']),
    NumericPrecision: z.int().optional(),
    NumberScale: z.int().optional(),
    StringMaxLength: z.int().optional(),
    StringEncoding: z.literal('UTF-8').optional(),
    Deprecated: z.literal(true).optional(),
  })
  .meta({ id: 'FocusColumn' });

/** The reply of GET /v1/exports/focus/metadata, in the words of FOCUS. */
export const focusMetadata = z
  .strictObject({
    DataGenerator: z.strictObject({ DataGenerator: text }),
    DatasetInstance: z.array(
      z.strictObject({ DatasetInstanceId: text, DatasetInstanceName: text, FocusDatasetId: text }),
    ),
    Schema: z.array(
      z.strictObject({
        SchemaId: text,
        FocusVersion: z.enum(FOCUS_VERSIONS),
        CreationDate: instant,
        DataGeneratorVersion: text,
        DatasetInstanceId: text,
        ColumnDefinition: z.array(columnDefinition).meta({ description: 'Every column, in the order of the file.' }),
      }),
    ),
    Recency: z.array(
      z.strictObject({
        DatasetInstanceId: text,
        DatasetInstanceLastUpdated: instant.nullable().meta({
          description: 'When the newest day of the range was read; null if none was.',
        }),
        DatasetInstanceComplete: z.boolean().meta({
          description: 'Whether every day of the range was read and is final.',
        }),
        TimeSectors: z.array(
          z.strictObject({
            TimeSectorStart: instant,
            TimeSectorEnd: instant,
            TimeSectorLastUpdated: instant.nullable(),
            TimeSectorComplete: z.boolean(),
          }),
        ),
      }),
    ),
    x_Replacement: text.meta({ description: 'What a file replaces, in words.' }),
  })
  .meta({ id: 'FocusMetadata' });
