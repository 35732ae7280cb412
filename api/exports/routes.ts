import { MAX_QUERY_DAYS } from '../../domain/days.ts';
import { metadataOf } from '../../domain/focus/metadata.ts';
import { FOCUS_FORMATS, fileNameOf, writeFocus, type FocusFormat } from '../../exports/focus.ts';
import { CSV_TYPE, headerText } from '../http/csv.ts';
import { endpoint, fileEndpoint } from '../http/endpoint.ts';
import { nothing } from '../http/schemas.ts';
import { FILE_HEADERS, OTHER_CURRENCIES_HEADER, certaintyHeaders, inFile } from '../spend/documents.ts';
import { focusRequestOf, openExport } from './request.ts';
import { focusMetadata, focusQuery } from './schemas.ts';

const tag = 'Exports';

const TYPES: Readonly<Record<FocusFormat, string>> = {
  csv: CSV_TYPE,
  parquet: 'application/vnd.apache.parquet',
};

const focus = fileEndpoint({
  path: '/v1/exports/focus',
  tag,
  operation: 'exportFocus',
  summary: 'Writes costs and usage as a FOCUS file, a row for each line of cost',
  description: `Costs are exact: those of each day and currency add up to \`GET /v1/costs\`. The last 31 days, or up to ${MAX_QUERY_DAYS}. A row has a quantity and a price only where its tokens are known and the price times the quantity is its cost to the last digit. A change to a closed month is a row of its own, with the \`ChargeClass\` \`Correction\`. Texts are as they were reported, so a program for tables may take one for a formula. Two exports are written at a time.`,
  query: focusQuery,
  file: {
    types: { 'text/csv': 'RFC 4180, with a header.', [TYPES.parquet]: 'Decimals are DECIMAL(38, s).' },
    headers: {
      ...FILE_HEADERS,
      ...OTHER_CURRENCIES_HEADER,
      'Meterline-Total': inFile('What the rows in USD add up to'),
    },
  },
  statuses: { 200: 'The file.' },
  problems: ['not_found', 'conflict'],
  write: async ({ query: asked, preferred }, deps, reply) => {
    const accepted = preferred(FOCUS_FORMATS.map((format) => TYPES[format]));
    const format = asked.format ?? FOCUS_FORMATS.find((one) => TYPES[one] === accepted) ?? FOCUS_FORMATS[0];
    const request = await focusRequestOf(deps, asked, format);
    const { facts, certainty, total, otherCurrencies, lines } = await openExport(deps.tx, request);
    reply.begin({
      name: fileNameOf(facts, request.format),
      type: TYPES[request.format],
      headers: {
        ...certaintyHeaders(certainty),
        'Meterline-Total': total,
        ...(otherCurrencies.length === 0 ? {} : { 'Meterline-Other-Currencies': headerText(otherCurrencies) }),
      },
    });
    await writeFocus(request.format, facts, lines, reply);
  },
});

const metadata = endpoint({
  method: 'get',
  path: '/v1/exports/focus/metadata',
  tag,
  operation: 'getFocusMetadata',
  summary: 'Describes the FOCUS file of the same parameters: its columns, how certain it is, and what it replaces',
  query: focusQuery,
  body: nothing,
  out: focusMetadata,
  statuses: { 200: 'The metadata, in the words of FOCUS.' },
  problems: ['not_found', 'conflict'],
  asExport: true,
  handle: async ({ query: asked }, deps) => {
    const request = await focusRequestOf(deps, asked, asked.format ?? FOCUS_FORMATS[0]);
    const { facts } = await openExport(deps.db, request);
    const { DatasetInstance, Schema, Recency, ...rest } = metadataOf(facts);
    return {
      status: 200,
      body: {
        ...rest,
        DatasetInstance: [...DatasetInstance],
        Schema: Schema.map((one) => ({ ...one, ColumnDefinition: [...one.ColumnDefinition] })),
        Recency: Recency.map((one) => ({ ...one, TimeSectors: [...one.TimeSectors] })),
      },
    };
  },
});

/** Files for the programs of others. */
export const exportRoutes = [focus, metadata];
