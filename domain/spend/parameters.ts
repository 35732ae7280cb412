import { GRAINS, tagOf, type Dimension, type Filter, type NamedDimension } from './query.ts';

/** How query parameters name groups and filters. A query string and a stored spend query are read by the same rules. */

/** The most groups that a query may name. */
export const MAX_GROUPS = 20;
/** The most tags that a query may filter by. */
export const MAX_TAGS = 20;
/** What is wrong with a U+0000, which Postgres does not store. */
export const NO_NUL = 'must not contain U+0000';
/** The value of the parameter `workspace` that stands for the default one. */
const DEFAULT_WORKSPACE = 'default';
const TAG = /^tag\.[^,\u0000]+$/u;

/** What is wrong with a parameter; `parameter` is null if its name may be a secret. */
export interface ParameterFault {
  readonly parameter: string | null;
  readonly message: string;
}

/** Thrown for parameters that are not a query, with each fault. The message has them all, in words. */
export class ParameterError extends Error {
  override readonly name = 'ParameterError';
  constructor(readonly faults: readonly ParameterFault[]) {
    super(faults.map(({ parameter, message }) => `${parameter ?? 'a parameter'} ${message}`).join('; '));
  }
}

/** The values of a parameter, by its name: `model`, `not.model`, `tag.team`. */
export type Parameters = ReadonlyMap<string, readonly string[]>;

/** The name of the parameter that filters by a dimension. */
export function parameterOf(dimension: Dimension): string {
  return dimension === 'connection' ? 'connection_id' : dimension;
}

/** Whether a text is one of these groups, or a tag. */
export function isGroupOf<Known extends string>(
  text: string,
  known: readonly Known[],
): text is Known | `tag.${string}` {
  return known.some((group) => group === text) || TAG.test(text);
}

/** What is wrong with the groups of a query that may name these and any tag; null if nothing is. */
export function problemWithGroups(
  groups: readonly string[],
  known: readonly string[],
  most = MAX_GROUPS,
): string | null {
  if (groups.length === 0) return 'must name a group';
  if (!groups.every((group) => isGroupOf(group, known))) {
    return `must be any of ${known.join(', ')} and tag.<key>, separated by commas`;
  }
  if (new Set(groups).size !== groups.length) return 'must not name the same group twice';
  const grains = GRAINS.filter((grain) => known.includes(grain));
  if (grains.filter((grain) => groups.includes(grain)).length > 1) return `may name only one of ${GRAINS.join(', ')}`;
  return groups.length <= most ? null : `must not name more than ${most}`;
}

/**
 * The filters that parameters name: first those by the dimensions of a report, in their order, then those by tags. Several
 * values of one parameter are alternatives. Throws a `ParameterError`.
 */
export function filtersIn(dimensions: readonly NamedDimension[], parameters: Parameters): Filter[] {
  const named = dimensions.flatMap((dimension) => {
    const name = parameterOf(dimension);
    return [filterOf(dimension, false, parameters.get(name)), filterOf(dimension, true, parameters.get(`not.${name}`))];
  });
  const tags = [...parameters].filter(([name]) => isOfTag(name));
  if (tags.length > MAX_TAGS) {
    throw new ParameterError([{ parameter: 'tag', message: `must not name more than ${MAX_TAGS} tags` }]);
  }
  return [...named.filter((filter) => filter !== null), ...tags.map(([name, values]) => tagFilter(name, values))];
}

/** Whether a parameter filters by a tag. */
export function isOfTag(parameter: string): boolean {
  return /^(?:not\.)?tag\./.test(parameter);
}

/** The name and the values of the parameter that leads to a filter. */
export function parameterFrom({ dimension, excludes, values }: Filter): [name: string, values: string[]] {
  const ofNull = dimension === 'workspace' ? DEFAULT_WORKSPACE : '';
  const texts = new Set(values.map((value) => value ?? ofNull));
  return [`${excludes ? 'not.' : ''}${parameterOf(dimension)}`, [...texts].sort()];
}

function filterOf(dimension: Dimension, excludes: boolean, values: readonly string[] | undefined): Filter | null {
  if (values === undefined) return null;
  return { dimension, excludes, values: values.map((text) => valueOf(dimension, text)) };
}

function tagFilter(name: string, values: readonly string[]): Filter {
  const excludes = name.startsWith('not.');
  const parameter = `${excludes ? 'not.' : ''}tag`;
  const dimension = tagDimension(excludes ? name.slice('not.'.length) : name);
  const key = dimension === null ? '' : (tagOf(dimension) ?? '');
  const fault = (at: string, message: string): ParameterError => new ParameterError([{ parameter: at, message }]);
  if (dimension === null || key === '') throw fault(parameter, 'must be followed by the key of a tag: tag.<key>');
  if (key.includes('\0')) throw fault(parameter, NO_NUL);
  // Somebody may have put a secret where the key of a tag belongs.
  const own = /^[a-z_]{1,30}$/.test(key) ? `${parameter}.${key}` : parameter;
  if (values.some((text) => text.includes('\0'))) throw fault(own, NO_NUL);
  return { dimension, excludes, values: values.map((text) => valueOf(dimension, text)) };
}

function tagDimension(name: string): `tag.${string}` | null {
  return name.startsWith('tag.') ? `tag.${name.slice('tag.'.length)}` : null;
}

function valueOf(dimension: Dimension, text: string): string | null {
  if (dimension === 'connection') return text;
  return text === '' || (dimension === 'workspace' && text === DEFAULT_WORKSPACE) ? null : text;
}
