import { z } from 'zod';
import { read } from '../support/documents.ts';

/** The dashboard as Grafana's schema of dashboards describes it, without what this one has no use for. */

export const MODEL: unknown = JSON.parse(read('grafana/meterline.json'));

const source = z.strictObject({
  type: z.literal('grafana-postgresql-datasource'),
  uid: z.literal('${datasource}'),
});
const gridPos = z.strictObject({
  h: z.int().min(1),
  w: z.int().min(1).max(24),
  x: z.int().min(0).max(23),
  y: z.int().min(0),
});
const target = z.strictObject({
  datasource: source,
  editorMode: z.literal('code'),
  format: z.enum(['table', 'time_series']),
  rawQuery: z.literal(true),
  rawSql: z.string().min(1),
  refId: z.string().min(1),
});
const config = z.record(z.string(), z.unknown());
const step = z.strictObject({ value: z.number().nullable(), color: z.string() });
const defaults = z.looseObject({
  noValue: z.string().optional(),
  unit: z.string().optional(),
  thresholds: z.strictObject({ mode: z.enum(['absolute', 'percentage']), steps: z.array(step) }).optional(),
  custom: config.optional(),
});
const override = z.strictObject({
  matcher: z.strictObject({ id: z.string(), options: z.unknown() }),
  properties: z.array(z.strictObject({ id: z.string(), value: z.unknown() })),
});
const shown = z.strictObject({
  id: z.int().min(1),
  type: z.enum(['stat', 'timeseries', 'table', 'state-timeline']),
  title: z.string().min(1),
  description: z.string().min(1),
  datasource: source,
  gridPos,
  targets: z.array(target).min(1),
  fieldConfig: z.strictObject({ defaults, overrides: z.array(override) }),
  options: config,
});
const row = z.strictObject({
  id: z.int().min(1),
  type: z.literal('row'),
  title: z.string().min(1),
  collapsed: z.boolean(),
  gridPos,
  panels: z.array(shown),
});
const common = { name: z.string().regex(/^\w+$/), label: z.string(), description: z.string(), hide: z.literal(0) };
const choice = z.strictObject({
  ...common,
  type: z.literal('query'),
  datasource: source,
  definition: z.string(),
  query: z.string(),
  allValue: z.string(),
  includeAll: z.literal(true),
  multi: z.literal(true),
  current: z.unknown(),
  options: z.array(z.never()),
  refresh: z.literal(2),
  regex: z.literal(''),
  sort: z.literal(0),
  skipUrlSync: z.literal(false),
});
const sources = z.strictObject({
  ...common,
  type: z.literal('datasource'),
  query: z.literal('grafana-postgresql-datasource'),
  // Without a choice of its own, Grafana takes the default data source, or the first.
  current: z.strictObject({}),
  includeAll: z.literal(false),
  multi: z.literal(false),
  options: z.array(z.never()),
  refresh: z.literal(1),
  regex: z.literal(''),
  skipUrlSync: z.literal(false),
});
const annotation = z.strictObject({
  name: z.string(),
  datasource: source,
  enable: z.boolean(),
  hide: z.boolean(),
  iconColor: z.string(),
  filter: z.strictObject({ exclude: z.boolean(), ids: z.array(z.int()) }),
  target,
});

/** Strict: a field with a slip in its name is found, and so is `id`, by which a Grafana would overwrite another one. */
export const dashboard = z.strictObject({
  uid: z.string().regex(/^[\w-]{8,40}$/),
  title: z.string().min(1),
  description: z.string().min(1),
  tags: z.array(z.string()),
  schemaVersion: z.int().min(36),
  version: z.int().min(0),
  editable: z.boolean(),
  graphTooltip: z.union([z.literal(0), z.literal(1), z.literal(2)]),
  timezone: z.literal('utc'),
  weekStart: z.string(),
  fiscalYearStartMonth: z.int().min(0).max(11),
  liveNow: z.boolean(),
  refresh: z.string(),
  time: z.strictObject({ from: z.string(), to: z.string() }),
  timepicker: z.strictObject({ refresh_intervals: z.array(z.string()) }),
  links: z.array(z.never()),
  annotations: z.strictObject({ list: z.array(annotation) }),
  templating: z.strictObject({ list: z.array(z.union([sources, choice])) }),
  panels: z.array(z.union([row, shown])),
});

export type Dashboard = z.infer<typeof dashboard>;
export type Shown = z.infer<typeof shown>;

/** The panels that show something, those of collapsed rows too. */
export function shownPanels({ panels }: Dashboard): Shown[] {
  return panels.flatMap((one) => (one.type === 'row' ? one.panels : [one]));
}
