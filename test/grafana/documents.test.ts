import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { READER_SESSIONS } from '../../db/readers/rights.ts';
import { firstLiterals, literals, read, rowsOf, section } from '../support/documents.ts';
import { MODEL, dashboard, shownPanels } from './model.ts';

/** The page on Grafana, and the files by which Grafana sets itself up, agree with the dashboard and the role that reads. */

const PAGE = 'docs/grafana.md';
const SOURCES = 'grafana/provisioning/datasources/meterline.yaml';
const PROVIDERS = 'grafana/provisioning/dashboards/meterline.yaml';
const model = dashboard.parse(MODEL);

const sources = z.strictObject({
  apiVersion: z.literal(1),
  datasources: z.tuple([
    z.strictObject({
      name: z.string(),
      uid: z.string().regex(/^[\w-]{1,40}$/),
      type: z.string(),
      access: z.literal('proxy'),
      url: z.string().regex(/^[\w.-]+:\d+$/),
      user: z.string(),
      jsonData: z.strictObject({
        database: z.string(),
        sslmode: z.enum(['disable', 'require', 'verify-ca', 'verify-full']),
        postgresVersion: z.int(),
        timescaledb: z.boolean(),
        maxOpenConns: z.int(),
        maxIdleConns: z.int(),
        maxIdleConnsAuto: z.boolean(),
        connMaxLifetime: z.int(),
      }),
      secureJsonData: z.strictObject({ password: z.string() }),
      editable: z.boolean(),
    }),
  ]),
});
const providers = z.strictObject({
  apiVersion: z.literal(1),
  providers: z.tuple([
    z.strictObject({
      name: z.string(),
      type: z.literal('file'),
      folder: z.string(),
      disableDeletion: z.boolean(),
      allowUiUpdates: z.boolean(),
      updateIntervalSeconds: z.int(),
      options: z.strictObject({ path: z.string() }),
    }),
  ]),
});

describe('the data source that Grafana sets up by itself', () => {
  const [source] = sources.parse(parse(read(SOURCES))).datasources;

  test('is of the type that the dashboard asks for', () => {
    expect(model.templating.list[0]?.query).toBe(source.type);
  });

  test('has its password from the environment, under the name that the page gives', () => {
    const [, name = ''] = /^\$([A-Z_]+)$/.exec(source.secureJsonData.password) ?? [];
    expect(name).not.toBe('');
    expect(read(PAGE)).toContain(`\`${name}\``);
  });

  test('verifies the server, and leaves sessions of the role for others', () => {
    expect(source.jsonData.sslmode).toBe('verify-full');
    expect(source.jsonData.maxOpenConns).toBeLessThan(READER_SESSIONS);
    const said = `Set **Max open** to ${source.jsonData.maxOpenConns}, because the role has at most ${READER_SESSIONS} sessions`;
    expect(read(PAGE).replace(/\s+/g, ' ')).toContain(said);
  });
});

describe('the page on Grafana', () => {
  test('explains every panel, and no other', () => {
    const titles = shownPanels(model).map(({ title }) => title);
    expect(firstLiterals(section(PAGE, 'What each panel says'))).toEqual(titles);
  });

  test('says where each file goes, as the provider expects', () => {
    const [provider] = providers.parse(parse(read(PROVIDERS))).providers;
    const places = rowsOf(section(PAGE, 'Set it up')).map(([file = '', place = '']) => [
      ...literals(file),
      ...literals(place),
    ]);
    expect(places).toEqual([
      [SOURCES.replace('grafana/', ''), '/etc/grafana/provisioning/datasources/'],
      [PROVIDERS.replace('grafana/', ''), '/etc/grafana/provisioning/dashboards/'],
      ['meterline.json', `${provider.options.path}/`],
    ]);
  });
});
