import { z } from 'zod';
import { ParameterError } from '../../domain/spend/parameters.ts';
import {
  MAX_STORED_VALUES,
  filterNames,
  readStoredQuery,
  type ReadQuery,
  type StoredQuery,
  type StoredQueryOptions,
} from '../../domain/spend/stored-query.ts';
import { missedConnections } from '../../domain/spend/missed-connections.ts';
import { COST_DIMENSIONS, type Filter } from '../../domain/spend/query.ts';
import { SECRET_PATTERN } from '../../domain/tokens.ts';
import { existingConnections } from '../../db/connections/live.ts';
import type { Deps } from '../http/endpoint.ts';
import { contradiction } from '../http/problems.ts';

/** The spend queries that are stored with something, such as a report. */

const stored = z.object({}).catchall(z.union([z.string(), z.array(z.string())], 'must be a text, or a list of texts'));

/**
 * A spend query in a request's body: the parameters of `GET /v1/costs` that the options allow. Its errors name the parameter.
 * {@link checkConnections} checks the connections that it names.
 */
export function storedQueryIn(options: StoredQueryOptions): z.ZodType<ReadQuery, StoredQuery> {
  return stored
    .transform((query, context) => {
      try {
        return readStoredQuery(query, options);
      } catch (error) {
        if (!(error instanceof ParameterError)) throw error;
        for (const { parameter, message } of error.faults) {
          context.addIssue({ code: 'custom', message, path: parameter === null ? [] : [parameter] });
        }
        return z.NEVER;
      }
    })
    .meta({ override: documented(options), description: descriptionOf(options), examples: [exampleOf(options)] });
}

/** A stored query in replies, in its canonical form. */
export const storedQueryOut = z
  .object({})
  .catchall(z.array(z.string()))
  .meta({
    id: 'StoredQuery',
    description: 'The parameters of `GET /v1/costs` by their names, each as a list.',
    examples: [{ group_by: ['model'], workspace: ['default'] }],
  });

/** Throws `conflict` if a query names a connection that does not exist; `path` leads to the query, such as `body.query`. */
export async function checkConnections({ db }: Deps, { filters }: ReadQuery, path: string): Promise<void> {
  for (const { dimension, excludes, values } of filters) {
    const ids = dimension === 'connection' ? values.filter((id) => id !== null) : [];
    if ((await existingConnections(db, ids)).length < ids.length) {
      throw contradiction(
        `${path}.${excludes ? 'not.' : ''}connection_id`,
        'names a connection that does not exist; GET /v1/connections lists them',
      );
    }
  }
}

/** Says where stored filters name connections that are no more; `path` leads to the filters, such as `filters`. */
export function filterWarnings(
  filters: readonly Filter[],
  newest: ReadonlyMap<string, string>,
  path: string,
): { path: string; message: string }[] {
  return filters.flatMap((filter) =>
    missedConnections([filter], newest).map((missed) => ({
      path: `${path}.${filter.excludes ? 'not.' : ''}connection_id`,
      message: `the filters name ${missed}`,
    })),
  );
}

function exampleOf({ groups }: StoredQueryOptions): StoredQuery {
  return { ...(groups === null ? {} : { group_by: ['workspace', 'model'] }), 'not.workspace': ['default'] };
}

function descriptionOf({ groups }: StoredQueryOptions): string {
  const filters =
    'The filters of `GET /v1/costs` by the names of its parameters, each a text or a list of texts: `connection_id`, `workspace`, `model` and so on, `tag.<key>`, and each with `not.` before it. Several values are alternatives; an empty text stands for what Anthropic did not report.';
  if (groups === null) return filters;
  return `${filters} Also \`group_by\`: at most ${groups.most} dimensions or tags, ${groups.fallback} without it.`;
}

/** The JSON schema: zod's own would allow every name. */
function documented({ groups }: StoredQueryOptions): Record<string, unknown> {
  const listOf = (item: object, most: number, unique: object = {}): object => ({
    anyOf: [item, { type: 'array', items: item, minItems: 1, maxItems: most, ...unique }],
  });
  const value = { type: 'string', pattern: `^(?![^\\u0000]*(?:sk-ant-|${SECRET_PATTERN}))[^\\u0000]*$` };
  const filter = listOf(value, MAX_STORED_VALUES);
  const id = listOf({ type: 'string', format: 'uuid' }, MAX_STORED_VALUES);
  const named = filterNames().map((name) => [name, name.endsWith('connection_id') ? id : filter]);
  const group = { type: 'string', pattern: `^(?:${[...COST_DIMENSIONS, 'tag\\.[a-z_]{1,30}'].join('|')})$` };
  return {
    type: 'object',
    properties: {
      ...(groups === null ? {} : { group_by: listOf(group, groups.most, { uniqueItems: true }) }),
      ...Object.fromEntries(named),
    },
    patternProperties: { '^(?:not[.])?tag[.][a-z_]{1,30}$': filter },
    additionalProperties: false,
  };
}
