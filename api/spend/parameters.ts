import { z } from 'zod';
import { COMPARES } from '../../domain/spend/compare.ts';
import {
  COST_DIMENSIONS,
  GRAINS,
  ORDERS,
  UNIT_COST_DIMENSIONS,
  USAGE_DIMENSIONS,
  type Grain,
  type Group,
  type NamedDimension,
} from '../../domain/spend/query.ts';
import { MAX_GROUPS, NO_NUL, isGroupOf, problemWithGroups } from '../../domain/spend/parameters.ts';
import { afterIn, limitIn, rangeQuery } from '../http/schemas.ts';

/** The query parameters of the reports on spend. `request.ts` makes a spend query of them. */

/** What a report knows. */
export interface Report {
  /** Tells the cursors of reports apart. */
  readonly name: 'costs' | 'usage' | 'unit-costs' | 'changes';
  readonly dimensions: readonly NamedDimension[];
  readonly grains: readonly Grain[];
}

/** What GET /v1/costs knows. */
export const COSTS: Report = { name: 'costs', dimensions: COST_DIMENSIONS, grains: GRAINS };
/** What GET /v1/usage knows. */
export const USAGE: Report = { name: 'usage', dimensions: USAGE_DIMENSIONS, grains: GRAINS };
/** What GET /v1/unit-costs knows: what costs and usage have in common. */
export const UNIT_COSTS: Report = { name: 'unit-costs', dimensions: UNIT_COST_DIMENSIONS, grains: GRAINS };
/** What GET /v1/costs/changes knows. */
export const CHANGES: Report = { name: 'changes', dimensions: COST_DIMENSIONS, grains: [] };

const TAG = 'tag\\.[^,\\u0000]+';

/** The parameter `group_by`, as groups; `more` are those that only one report has. With the fallback null, there are none without it. */
export function groupsOf<More extends string = never>(
  { dimensions, grains }: Pick<Report, 'dimensions' | 'grains'>,
  fallback: NamedDimension | Grain | More | null,
  more: readonly More[] = [],
): z.ZodType<(Group | More)[], string | undefined> {
  const known = [...more, ...grains, ...dimensions];
  const twice = '(?:[^,]*,)*([^,]+),(?:[^,]*,)*\\1(?:,|$)';
  const twoGrains = `(?:[^,]*,)*(?:${GRAINS.join('|')}),(?:[^,]*,)*(?:${GRAINS.join('|')})(?:,|$)`;
  const any = `(?:${[...known, TAG].join('|')})`;
  return z
    .string()
    .optional()
    .transform((text = fallback ?? undefined) => text?.split(',') ?? [])
    .superRefine((list, context) => {
      const problem = list.length === 0 ? null : problemWithGroups(list, known);
      if (problem !== null) context.addIssue(problem);
    })
    .transform((list) => list.filter((text): text is Group | More => isGroupOf(text, known)))
    .meta({
      override: {
        type: 'string',
        ...(fallback === null ? {} : { default: fallback }),
        pattern: `^(?!${twice})${grains.length === 0 ? '' : `(?!${twoGrains})`}${any}(?:,${any}){0,${MAX_GROUPS - 1}}$`,
        examples: ['workspace,model'],
      },
      description: [
        `How to group the rows: any of ${[...more, ...dimensions].map((group) => `\`${group}\``).join(', ')}`,
        grains.length === 0 ? '' : `, at most one of ${grains.map((grain) => `\`${grain}\``).join(', ')}`,
        ', and `tag.<key>` for a tag of workspaces, separated by commas, each at most once.',
        grains.length === 0 ? '' : ' `week` is the Monday of the week.',
      ].join(''),
    });
}

/** A value of a filter. */
export const filterValue = z.string().regex(/^[^\u0000]*$/, NO_NUL);

const NOT_REPORTED = 'An empty value stands for what Anthropic did not report.';
const values = z.array(filterValue).optional();
const oneOf = (more = NOT_REPORTED) =>
  values.meta({ description: `Only lines with one of these values; repeat it for several. ${more}` });
const noneOf = (more = NOT_REPORTED) =>
  values.meta({ description: `Only lines with none of these values; repeat it for several. ${more}` });
const WORKSPACE = 'The id of a workspace; `default` or an empty value is the default workspace.';
const ids = z.array(filterValue.meta({ format: 'uuid' })).optional();

/** The parameters that choose connections. */
export const connections = {
  connection_id: ids.meta({
    description: 'Only these connections; repeat it for several. Without it, all connections together.',
  }),
  'not.connection_id': ids.meta({ description: 'All connections but these; repeat it for several.' }),
};
/** Two parameters for each dimension that costs and usage have. */
const filters = {
  ...connections,
  workspace: oneOf(WORKSPACE),
  'not.workspace': noneOf(WORKSPACE),
  model: oneOf(),
  'not.model': noneOf(),
  context_window: oneOf(),
  'not.context_window': noneOf(),
  service_tier: oneOf(),
  'not.service_tier': noneOf(),
  inference_geo: oneOf(),
  'not.inference_geo': noneOf(),
};
const unitFilters = {
  ...filters,
  token_type: oneOf(),
  'not.token_type': noneOf(),
  currency: oneOf(),
  'not.currency': noneOf(),
};
/** Two parameters for each dimension of costs. */
export const costFilters = {
  ...unitFilters,
  cost_type: oneOf(),
  'not.cost_type': noneOf(),
  description: oneOf(),
  'not.description': noneOf(),
};

const COMPARE =
  'Compares with the range just before, or with the one a month or a year earlier. With `week` or `month` in `group_by`, both ranges must consist of whole ones.';
const compare = z.enum(COMPARES);
const format = z
  .enum(['json', 'csv'])
  .optional()
  .meta({ description: 'CSV has all rows, whatever the limit. Without it, the header Accept decides.' });

const common = { ...rangeQuery, limit: limitIn(1_000, 10_000), after: afterIn, format };
const order = z.enum(ORDERS).default('key').meta({
  description:
    '`key` gives pages in the order of the groups. `-amount` gives the largest rows first, without further pages, and adds up the other ones in `other`.',
});
const keyOrder = z
  .enum(['key'])
  .default('key')
  .meta({ description: 'The order of the groups, the only one of usage.' });
const changeOrder = order.meta({
  description:
    '`key` gives pages in the order of the groups. `-amount` gives the largest changes first, up or down, without further pages, and adds up the other ones in `other`.',
});

/** The query of GET /v1/costs. */
export const costsQuery = z.strictObject({
  ...common,
  ...costFilters,
  group_by: groupsOf(COSTS, 'day'),
  order,
  compare: compare.optional().meta({ description: COMPARE }),
});
/** The query of GET /v1/usage. */
export const usageQuery = z.strictObject({
  ...common,
  ...filters,
  group_by: groupsOf(USAGE, 'day'),
  order: keyOrder,
  compare: compare.optional().meta({ description: COMPARE }),
});
/** The query of GET /v1/unit-costs. */
export const unitCostsQuery = z.strictObject({
  ...common,
  ...unitFilters,
  group_by: groupsOf(UNIT_COSTS, 'day'),
  order,
});
/** The query of GET /v1/costs/changes. */
export const changesQuery = z.strictObject({
  ...common,
  ...costFilters,
  group_by: groupsOf(CHANGES, 'model'),
  order: changeOrder,
  compare: compare.meta({ description: COMPARE }),
});
/** The query of GET /v1/coverage. */
export const coverageQuery = z.strictObject({ ...rangeQuery, ...connections });
