/** What each report on spend can be asked for. The API has the last word; this decides what the page offers. */

/** The reports on spend. */
export const REPORTS = ['costs', 'changes', 'unit-costs', 'usage'] as const;
/** One of {@link REPORTS}. */
export type Report = (typeof REPORTS)[number];

/** How days are put together. */
export const GRAINS = ['day', 'week', 'month'] as const;
/** One of {@link GRAINS}. */
export type Grain = (typeof GRAINS)[number];

/** What costs can be split by, beside tags. */
const DIMENSIONS = [
  'connection',
  'workspace',
  'model',
  'token_type',
  'service_tier',
  'context_window',
  'inference_geo',
  'cost_type',
  'description',
  'currency',
] as const;

const LACKING: Readonly<Record<Report, readonly string[]>> = {
  costs: [],
  changes: [],
  'unit-costs': ['cost_type', 'description'],
  usage: ['token_type', 'cost_type', 'description', 'currency'],
};

const LABELS: Readonly<Record<string, string>> = {
  connection: 'organization',
  workspace: 'workspace',
  model: 'model',
  token_type: 'token type',
  service_tier: 'service tier',
  context_window: 'context window',
  inference_geo: 'geography',
  cost_type: 'cost type',
  description: 'description',
  currency: 'currency',
};

/** What a report can be split by, beside tags. */
export function dimensionsOf(report: Report): string[] {
  return DIMENSIONS.filter((dimension) => !LACKING[report].includes(dimension));
}

/** Whether a report knows a group or a filter of this name. */
export function knows(report: Report, group: string): boolean {
  if (isGrain(group)) return report !== 'changes';
  return tagOf(group) !== null || dimensionsOf(report).includes(group);
}

/** Whether a group puts days together. */
export function isGrain(group: string): group is Grain {
  return GRAINS.some((grain) => grain === group);
}

/** The key of a tag; null for any other group. */
export function tagOf(group: string): string | null {
  return group.startsWith('tag.') ? group.slice('tag.'.length) : null;
}

/** The name of the parameter that filters by a dimension. */
export function parameterOf(dimension: string): string {
  return dimension === 'connection' ? 'connection_id' : dimension;
}

/** The dimension that a parameter filters by; null if it is no filter. */
export function dimensionOf(parameter: string): string | null {
  if (parameter === 'connection_id') return 'connection';
  if (tagOf(parameter) !== null) return parameter;
  return parameter !== 'connection' && DIMENSIONS.some((dimension) => dimension === parameter) ? parameter : null;
}

/** The word for a name; the name itself if there is none. The name may be anything that somebody wrote into an address. */
export function wordOf(words: Readonly<Record<string, string>>, name: string): string {
  return Object.hasOwn(words, name) ? (words[name] ?? name) : name;
}

/** A group for people. */
export function labelOf(group: string): string {
  const tag = tagOf(group);
  return tag === null ? wordOf(LABELS, group) : `tag ${tag}`;
}

/** A value of a dimension for people. Null and an empty text stand for what Anthropic did not report. */
export function valueText(dimension: string, value: string | null): string {
  if (value === null || value === '') {
    if (dimension === 'workspace') return 'Default workspace';
    const tag = tagOf(dimension);
    return tag === null ? `no ${labelOf(dimension)}` : `no tag ${tag}`;
  }
  if (dimension === 'workspace' && value === 'default') return 'Default workspace';
  return dimension === 'token_type' || dimension === 'cost_type' ? value.replaceAll('_', ' ') : value;
}
