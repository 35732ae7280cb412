import { describe, expect, test } from 'vitest';
import { read } from '../support/documents.ts';
import { MODEL, dashboard, shownPanels } from './model.ts';

/** What Grafana asks of a dashboard that is imported or provisioned, and what people ask of this one. */

const model = dashboard.parse(MODEL);
const panels = shownPanels(model);
const everything = model.panels.flatMap((one) => (one.type === 'row' ? [one, ...one.panels] : [one]));

/** The texts that people read. */
const prose = panels.map(({ title, description }) => `${title}: ${description}`);

describe('the dashboard', () => {
  test('has no id, no input to fill in and no host, so that any Grafana can import or provision it', () => {
    const text = read('grafana/meterline.json');
    expect(MODEL).not.toHaveProperty('id');
    expect(MODEL).not.toHaveProperty('__inputs');
    expect(text).not.toMatch(/https?:|\$\{DS_/);
  });

  test('gives each panel an id of its own, and each query of a panel a letter of its own', () => {
    const ids = everything.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { targets } of panels) expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
  });

  test('lays its panels out within 24 columns, none over another', () => {
    const taken = new Set<string>();
    for (const { gridPos, title } of everything) {
      expect(gridPos.x + gridPos.w, title).toBeLessThanOrEqual(24);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          expect(taken, `${title} at ${x}, ${y}`).not.toContain(`${x}, ${y}`);
          taken.add(`${x}, ${y}`);
        }
      }
    }
  });

  test('has the panels of each row below it and above the next row', () => {
    const rows = model.panels.flatMap((one) => (one.type === 'row' ? [one.gridPos.y] : []));
    expect(rows).toEqual(rows.toSorted((a, b) => a - b));
    const order = everything.map(({ gridPos }) => gridPos.y * 24 + gridPos.x);
    expect(order).toEqual(order.toSorted((a, b) => a - b));
    const last = model.panels.at(-1);
    expect(last?.type === 'row' && last.collapsed).toBe(true);
  });

  test('asks the data source that its variable names, and shows shading in its charts over days', () => {
    const [first] = model.templating.list;
    expect(first?.name).toBe('datasource');
    const charts = panels.filter(({ type }) => type === 'timeseries').map(({ id }) => id);
    for (const { filter } of model.annotations.list) expect(filter).toEqual({ exclude: false, ids: charts });
  });

  test('lists the same query for a variable in both fields that Grafana has for it, and one value for all', () => {
    for (const choice of model.templating.list) {
      if (choice.type === 'datasource') continue;
      expect(choice.definition).toBe(choice.query);
      expect(choice.allValue).toBe("'*'");
      expect(choice.current).toEqual({ selected: true, text: ['All'], value: ['$__all'] });
    }
  });

  test('takes its colours from the theme, by names that dark and light have', () => {
    const named = new Set(['text', 'green', 'orange', 'red', 'yellow', 'purple']);
    const colours = [...read('grafana/meterline.json').matchAll(/"(?:color|fixedColor|iconColor)": "([^"]+)"/g)];
    expect(colours.length).toBeGreaterThan(5);
    for (const [, colour = ''] of colours) expect(named).toContain(colour);
  });

  test('never draws an absent value as zero, and connects no points over a gap', () => {
    for (const { type, title, fieldConfig } of panels) {
      expect(fieldConfig.defaults.noValue, title).not.toBe('0');
      if (type !== 'timeseries') continue;
      expect(fieldConfig.defaults.custom, title).toMatchObject({ spanNulls: false });
    }
    expect(read('grafana/meterline.json')).not.toMatch(/null as zero|fillBelowTo|,\s*0\)",/);
  });

  test('says in words what provisional and missing mean, and of each amount that it is in US dollars', () => {
    expect(prose.join('\n')).toMatch(/Missing: [a-z]/);
    expect(prose.join('\n')).toMatch(/Provisional: [a-z]/);
    const ofMoney = panels.filter(
      ({ fieldConfig }) =>
        fieldConfig.defaults.unit === 'currencyUSD' || JSON.stringify(fieldConfig.overrides).includes('currencyUSD'),
    );
    expect(ofMoney.length).toBeGreaterThan(8);
    for (const { title, description } of ofMoney) {
      if (title !== 'Budgets') expect(description, title).toMatch(/US dollars/);
    }
  });
});
