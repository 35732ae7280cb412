import { z } from 'zod';

/** The queries of a Grafana dashboard, and the SQL that Grafana's Postgres data source sends for them. */

const target = z.object({ rawSql: z.string(), format: z.enum(['table', 'time_series']) });
const onePanel = z.object({ type: z.string(), title: z.string(), targets: z.array(target).default([]) });
const panel = onePanel.extend({ panels: z.array(onePanel).default([]) });
const variable = z.object({ type: z.string(), name: z.string(), query: z.string(), allValue: z.string().optional() });
const dashboard = z.object({
  panels: z.array(panel),
  templating: z.object({ list: z.array(variable) }),
  annotations: z.object({ list: z.array(z.object({ name: z.string(), target })) }),
});

/** A query of a panel, a variable or an annotation. `type` is the type of the panel; else `variable` or `annotation`. */
export interface Query {
  readonly type: string;
  readonly name: string;
  readonly sql: string;
  readonly format: 'table' | 'time_series';
}

/** What a reader of the dashboard chose: instants, and by variable the values, or all of them. */
export interface Chosen {
  readonly from: Date;
  readonly to: Date;
  readonly values: Readonly<Record<string, readonly string[] | 'all'>>;
}

/** Every query of a dashboard in its JSON model. Throws if it is none. */
export function queriesOf(model: unknown): Query[] {
  const { panels, templating, annotations } = dashboard.parse(model);
  return [
    ...templating.list
      .filter(({ type }) => type === 'query')
      .map(({ name, query }): Query => ({ type: 'variable', name, sql: query, format: 'table' })),
    ...annotations.list.map(({ name, target: { rawSql, format } }): Query => ({
      type: 'annotation',
      name,
      sql: rawSql,
      format,
    })),
    ...panels
      .flatMap(({ panels: inner, ...own }) => [own, ...inner])
      .flatMap(({ type, title, targets }) =>
        targets.map(({ rawSql, format }): Query => ({ type, name: title, sql: rawSql, format })),
      ),
  ];
}

/** The statement that Grafana sends: first its page puts the values of variables in, then its server the macros. */
export function expand(model: unknown, sql: string, chosen: Chosen): string {
  return withMacros(withVariables(model, sql, chosen), chosen);
}

/** Grafana's own pattern of a variable: `$name`, `[[name:format]]` or `${name.field:format}`. */
const VARIABLE = /\$(\w+)|\[\[(\w+?)(?::(\w+))?\]\]|\$\{(\w+)(?:\.([^:^}]+))?(?::([^}]+))?\}/g;

function withVariables(model: unknown, sql: string, { values }: Chosen): string {
  const { list } = dashboard.parse(model).templating;
  return sql.replace(VARIABLE, (found: string, ...groups: (string | undefined)[]) => {
    const [plain, , squareFormat, braced, field, bracedFormat] = groups;
    const known = list.find(({ name }) => name === (plain ?? braced));
    if (known === undefined) return found;
    if ((squareFormat ?? field ?? bracedFormat) !== undefined) throw new Error(`a format that is not known: ${found}`);
    const value = values[known.name];
    if (value === undefined) throw new Error(`nothing is chosen for ${known.name}`);
    if (value !== 'all') return value.map(quoted).join(',');
    // Grafana puts it in as it is.
    if (known.allValue === undefined) throw new Error(`${known.name} has no value for all`);
    return known.allValue;
  });
}

/** As Grafana quotes a value for Postgres, where several can be chosen. */
function quoted(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

/** Grafana's own pattern of a macro: its arguments have no closing parenthesis. */
const MACRO = /\$([_a-zA-Z0-9]+)\(([^)]*)\)/g;

function withMacros(sql: string, { from, to }: Chosen): string {
  return sql.replace(MACRO, (_: string, name: string, given: string) => {
    const [column = ''] = given.split(',').map((argument) => argument.trim());
    switch (name) {
      case '__timeFrom':
        return `'${instant(from)}'`;
      case '__timeTo':
        return `'${instant(to)}'`;
      case '__timeFilter':
        return `${column} BETWEEN '${instant(from)}' AND '${instant(to)}'`;
      default:
        throw new Error(`unknown macro "${name}"`);
    }
  });
}

/** RFC 3339 in UTC, as Go writes it: without zeros at the end of the fraction. */
function instant(at: Date): string {
  return at.toISOString().replace(/\.?0*Z$/, 'Z');
}
