import { SECRET_PATTERN } from '../tokens.ts';
import {
  ParameterError,
  filtersIn,
  isGroupOf,
  isOfTag,
  parameterFrom,
  parameterOf,
  problemWithGroups,
  type ParameterFault,
} from './parameters.ts';
import { COST_DIMENSIONS, type Dimension, type Filter, type SpendQuery } from './query.ts';

/**
 * A spend query as it is stored: the parameters of `GET /v1/costs` by their names, each a text or a list of texts. It is read
 * again whenever it is used, so that a dimension that no longer exists is a fault in words.
 */
export type StoredQuery = Readonly<Record<string, string | readonly string[]>>;

/** What a stored query may say beside filters. */
export interface StoredQueryOptions {
  /** How it is grouped if it does not say so, and by how many dimensions at most; null: it has filters alone. */
  readonly groups: { readonly fallback: Dimension; readonly most: number } | null;
}

/** A stored query that is read. */
export interface ReadQuery extends Pick<SpendQuery, 'filters'> {
  /** Without grains; empty for a query of filters alone. */
  readonly groupBy: readonly Dimension[];
  /** The same query in one form: with its groups, every filter as a list without repeats in order, by name. */
  readonly canonical: StoredQuery;
}

/** The most values of a filter of a stored query. */
export const MAX_STORED_VALUES = 1_000;
const GROUP_BY = 'group_by';
const SECRET = new RegExp(`sk-ant-|${SECRET_PATTERN}`);
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Reads a stored query by the rules of a query string. Throws a `ParameterError` with every fault. */
export function readStoredQuery(stored: StoredQuery, { groups }: StoredQueryOptions): ReadQuery {
  const texts = Object.entries(stored).map(([name, value]) => [name, listOf(value)] as const);
  const given = texts.filter(([name]) => name !== GROUP_BY || groups === null);
  const allowed = [...(groups === null ? [] : [GROUP_BY]), ...filterNames()];
  const faults = given.flatMap(([name, values]) => faultsOf(name, values, allowed));
  const groupBy = groups === null ? [] : groupsOf(stored[GROUP_BY], groups.fallback);
  const problem = groups === null ? null : problemWithGroups(groupBy, COST_DIMENSIONS, groups.most);
  if (problem !== null) faults.unshift({ parameter: GROUP_BY, message: problem });
  if (faults.length > 0) throw new ParameterError(faults);
  const filters = filtersIn(COST_DIMENSIONS, new Map(given.map(([name, values]) => [name, valuesOf(name, values)])));
  return {
    groupBy: groupBy.filter((text) => isGroupOf(text, COST_DIMENSIONS)),
    filters,
    canonical: canonicalOf(groupBy, filters),
  };
}

/** The names of the filters of costs, but those by tags. */
export function filterNames(): string[] {
  const names = COST_DIMENSIONS.map(parameterOf);
  return names.flatMap((name) => [name, `not.${name}`]);
}

function listOf(value: string | readonly string[]): readonly string[] {
  return typeof value === 'string' ? [value] : value;
}

function groupsOf(given: string | readonly string[] | undefined, fallback: Dimension): string[] {
  return listOf(given ?? fallback).flatMap((text) => text.split(','));
}

/** Each value once. Ids of connections are equal whatever the case of their letters. */
function valuesOf(name: string, values: readonly string[]): string[] {
  return [...new Set(isOfConnections(name) ? values.map((value) => value.toLowerCase()) : values)];
}

function isOfConnections(name: string): boolean {
  return name === 'connection_id' || name === 'not.connection_id';
}

function faultsOf(name: string, values: readonly string[], allowed: readonly string[]): ParameterFault[] {
  // Somebody may have put a secret where the name of a parameter belongs.
  const parameter = /^(?:not\.)?[a-z_]{1,30}(?:\.[a-z_]{1,30})?$/.test(name) ? name : null;
  if (!isOfTag(name) && !allowed.includes(name)) {
    const known = [...allowed, 'tag.<key>', 'not.tag.<key>'].join(', ');
    return [{ parameter, message: `is not known here; allowed are ${known}` }];
  }
  const message = SECRET.test(name) ? 'must not contain a key or a token' : problemWithValues(name, values);
  return message === null ? [] : [{ parameter, message }];
}

function problemWithValues(name: string, values: readonly string[]): string | null {
  if (values.length === 0) return 'must have a value; leave it out to take every line';
  if (values.length > MAX_STORED_VALUES) return `must not have more than ${MAX_STORED_VALUES} values`;
  const all = [name, ...values];
  if (all.some((text) => /\0|\p{Cs}/u.test(text))) return 'must not contain U+0000 or half of a surrogate pair';
  if (all.some((text) => SECRET.test(text))) return 'must not contain a key or a token';
  if (isOfConnections(name) && !values.every((id) => UUID.test(id))) return 'must be the id of a connection';
  return null;
}

function canonicalOf(groupBy: readonly string[], filters: readonly Filter[]): StoredQuery {
  const named = filters.map(parameterFrom).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries([...(groupBy.length === 0 ? [] : [[GROUP_BY, groupBy] as const]), ...named]);
}
