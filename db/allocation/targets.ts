import { sql, type SQL } from 'drizzle-orm';
import type { Rule } from '../../domain/allocation/document.ts';
import type { Dimension, Filter } from '../../domain/spend/query.ts';
import { textArray } from '../core/database.ts';

/** Which rule takes a row, in SQL. `domain/allocation/match` says the same in words of its own, and tests compare them. */

/** The value of a row in a dimension, as a text. */
export type ValueOf = (dimension: Dimension) => SQL;

/** The dimensions that rules ask for, each once. */
export function dimensionsOf(rules: readonly Rule[]): Dimension[] {
  const all = rules.flatMap(({ where, to }): Dimension[] => [
    ...where.map(({ dimension }) => dimension),
    ...('tag' in to ? [`tag.${to.tag}` as const] : []),
  ]);
  return [...new Set(all)];
}

/**
 * The value of a row in a dimension, as far as rules tell values apart: the empty text stands for every value that no rule
 * names, and no rule can name it. Rows that differ only in what no rule asks for come together by it.
 */
export function namedValue(rules: readonly Rule[], dimension: Dimension, value: SQL): SQL {
  const named = rules.flatMap(({ where }) => where.filter((filter) => filter.dimension === dimension));
  const texts = new Set(named.flatMap(({ values }) => values.filter((one) => one !== null)));
  return sql`case when ${value} is null then null when ${value} = any(${textArray([...texts])}) then ${value} else '' end`;
}

/**
 * The place of the first rule that matches a row, from 0 on; null if none does. Select it in a subquery with `offset 0`:
 * Postgres would otherwise try all rules again wherever the place is mentioned.
 */
export function ruleOf(rules: readonly Rule[], valueOf: ValueOf): SQL {
  if (rules.length === 0) return sql`null::int`;
  const branches = rules.map(({ where, to }, index) => {
    const conditions = where.map((filter) => lets(filter, valueOf(filter.dimension)));
    if ('tag' in to) conditions.push(sql`${valueOf(`tag.${to.tag}`)} is not null`);
    const matches = conditions.length === 0 ? sql`true` : sql.join(conditions, sql` and `);
    return sql`when ${matches} then ${sql.raw(String(index))}`;
  });
  return sql`case ${sql.join(branches, sql` `)} end`;
}

function lets({ values, excludes }: Filter, value: SQL): SQL {
  const texts = textArray(values.filter((one) => one !== null));
  const isOneOf = sql`case when ${value} is null then ${sql.raw(String(values.includes(null)))} else ${value} = any(${texts}) end`;
  return excludes ? sql`not (${isOneOf})` : isOneOf;
}

/** The cost center that a rule gives a row to; null for a pool and without a rule. */
export function centerOf(rules: readonly Rule[], rule: SQL, valueOf: ValueOf): SQL {
  const centers = textArray(rules.map(({ to }) => ('center' in to ? to.center : null)));
  const byTag = rules.flatMap(({ to }, index) =>
    'tag' in to ? [sql`when ${sql.raw(String(index))} then ${valueOf(`tag.${to.tag}`)}`] : [],
  );
  const named = sql`(${centers})[${rule} + 1]`;
  return byTag.length === 0 ? named : sql`case ${rule} ${sql.join(byTag, sql` `)} else ${named} end`;
}

/** The pool that a rule gives a row to; null for a cost center and without a rule. */
export function poolOf(rules: readonly Rule[], rule: SQL): SQL {
  return sql`(${textArray(rules.map(({ to }) => ('pool' in to ? to.pool : null)))})[${rule} + 1]`;
}
