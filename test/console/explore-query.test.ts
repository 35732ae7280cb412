import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { REPORTS, dimensionsOf, parameterOf } from '../../console/pages/explore/dimensions.ts';
import {
  COUNTS,
  csvOf,
  curlOf,
  drill,
  narrowedTo,
  parametersOf,
  parseQuery,
  presets,
  printQuery,
  recordOf,
  requestOf,
  viewOf,
  viewsOf,
  withFilter,
  withReport,
  type SpendQuery,
} from '../../console/pages/explore/query.ts';
import { sentenceOf } from '../../console/pages/explore/words.ts';

const TODAY = '2026-11-30';

function parse(text: string): SpendQuery {
  return parseQuery(new URLSearchParams(text), TODAY);
}

const nasty = fc.oneof(
  fc.constantFrom('', '&', '=', ',', '%', '#', '+', ' ', '"', "'", '`', '$(id)', '\\', '!', '?', 'ü', '日本', '💶'),
  fc.constantFrom('a&b=c,d%20#e', '%2C', '[a]{b}'),
  fc.string({ unit: 'grapheme' }),
);
const parameter = fc.oneof(
  fc.constantFrom(...dimensionsOf('costs').map(parameterOf)),
  fc.string({ unit: 'grapheme' }).map((key) => `tag.${key}`),
);
const filters = fc.uniqueArray(
  fc.record({ parameter, excludes: fc.boolean(), values: fc.array(nasty, { minLength: 1, maxLength: 3 }) }),
  { maxLength: 4, selector: ({ parameter: name, excludes }) => `${name} ${String(excludes)}` },
);
const group = fc.oneof(
  fc.constantFrom('day', 'week', 'month', ...dimensionsOf('costs')),
  fc.string({ unit: 'grapheme' }).map((key) => `tag.${key.replaceAll(',', '')}`),
);
const queries: fc.Arbitrary<SpendQuery> = fc.record({
  report: fc.constantFrom(...REPORTS),
  from: fc.constantFrom('2026-01-01', 'yesterday', ''),
  to: fc.option(nasty),
  groupBy: fc.array(group, { minLength: 1, maxLength: 4 }),
  filters,
  compare: fc.option(nasty),
  order: fc.option(fc.constantFrom('key', '-amount', '-price')),
  count: fc.option(fc.constantFrom(...COUNTS)),
  view: fc.option(fc.constantFrom('groups', 'days', 'lines')),
  rest: fc.array(fc.tuple(fc.constantFrom('foo', 'modle', 'x y'), nasty), { maxLength: 2 }),
});

describe('the address of a spend query', () => {
  it('gives the same query again, whatever its values are', () => {
    fc.assert(
      fc.property(queries, (query) => {
        expect(parse(printQuery(query))).toEqual(query);
      }),
    );
  });

  it('stays as it is once the page has printed it, whoever wrote it', () => {
    const own = fc.constantFrom('report', 'view', 'from', 'to', 'group_by', 'limit', 'count');
    const pairs = fc.array(fc.tuple(fc.oneof(parameter, own, nasty), nasty), { maxLength: 6 });
    fc.assert(
      fc.property(pairs, (written) => {
        const once = printQuery(parse(new URLSearchParams(written).toString()));
        expect(printQuery(parse(once))).toBe(once);
      }),
    );
  });

  it('reads as a person would write it', () => {
    const text = 'report=costs&from=2026-11-01&to=2026-11-30&group_by=day,model&not.service_tier=batch&view=days';
    expect(printQuery(parse(text))).toBe(text);
  });

  it('stands for the costs of this month by day and model, if it says nothing', () => {
    expect(printQuery(parse(''))).toBe('report=costs&from=2026-11-01&to=2026-11-30&group_by=day,model');
  });

  it('hands on to the API what the page does not know, and what is there twice', () => {
    const query = parse('report=prices&from=2026-11-01&from=2026-11-02&modle=x&group_by=day,,model');
    expect(parametersOf(query)).toEqual([
      ['from', '2026-11-01'],
      ['group_by', 'day,,model'],
      ['report', 'prices'],
      ['from', '2026-11-02'],
      ['modle', 'x'],
    ]);
    expect(recordOf(query)['from']).toEqual(['2026-11-01', '2026-11-02']);
  });

  it('has words for names that only JavaScript knows, and for open ends', () => {
    const name = (_: string, value: string): string => value;
    expect(sentenceOf(parse('to=2026-11-10&group_by=constructor&compare=toString'), name)).toBe(
      'Costs, up to 10 November 2026, by constructor, against toString',
    );
    expect(sentenceOf(parse('from=2026-02-31&group_by=day'), name)).toBe('Costs, from 2026-02-31 on, by day');
  });

  it('does not let an address decide on pages', () => {
    expect(requestOf(parse('limit=1&after=x&format=csv&group_by=day'))).toBe(
      '/v1/costs?from=2026-11-01&to=2026-11-30&group_by=day',
    );
  });
});

describe('a request for elsewhere', () => {
  it('asks for the same as CSV', () => {
    expect(csvOf(parse('report=changes&compare=month&group_by=model&model='))).toBe(
      '/v1/costs/changes?from=2026-11-01&to=2026-11-30&group_by=model&model=&compare=month&format=csv',
    );
  });

  it('reaches curl as it is, through a real shell, without the token among the words of the command', () => {
    fc.assert(
      fc.property(queries, (query) => {
        const curl = `curl() { printf '%s\\n' "$1" "$2" "$(<"\${2#@}")" "$3"; }`;
        const script = `${curl}\n${curlOf(query, 'https://costs.example.com')}`;
        const printed = execFileSync('bash', ['--norc', '-c', script], {
          env: { METERLINE_TOKEN: 'mtl_x' },
          encoding: 'utf8',
        });
        const [flag, word, header, address = ''] = printed.split('\n');
        expect(flag).toBe('-H');
        expect(word).toMatch(/^@[\w/]+$/);
        expect(header).toBe('authorization: Bearer mtl_x');
        expect(address).toBe(`https://costs.example.com${requestOf(query)}`);
        expect([...new URL(address).searchParams]).toEqual(parametersOf(query));
        // curl takes these for patterns.
        expect(address).not.toMatch(/[[\]{}]/);
      }),
      { numRuns: 50 },
    );
  });
});

describe('drilling', () => {
  const query = parse('from=2026-11-03&to=2026-11-20&group_by=week,workspace,tag.team&not.model=a&compare=previous');

  it('narrows to the days of the bar within the range, and to the values of the series', () => {
    const part = drill(query, {
      days: { from: '2026-11-02', to: '2026-11-08' },
      values: [
        ['workspace', null],
        ['tag.team', 'a&b'],
      ],
    });
    expect(printQuery(part)).toBe(
      'report=costs&from=2026-11-03&to=2026-11-08' +
        '&group_by=connection,model,token_type,service_tier,context_window,inference_geo,cost_type,description' +
        '&not.model=a&workspace=&tag.team=a%26b&compare=previous&view=lines',
    );
  });

  it('replaces a filter by one of its values, and does not group by what is settled', () => {
    const part = drill(parse('group_by=day,model&model=a&model=b&workspace=w'), {
      days: null,
      values: [['model', 'b']],
    });
    expect(part.filters).toEqual([
      { parameter: 'model', excludes: false, values: ['b'] },
      { parameter: 'workspace', excludes: false, values: ['w'] },
    ]);
    expect(part.groupBy).not.toContain('model');
    expect(part.groupBy).not.toContain('workspace');
  });

  it('leaves out the named groups for all others', () => {
    const part = drill(parse('group_by=day,model&not.model=a'), {
      days: { from: '2026-11-03', to: '2026-11-03' },
      values: [],
      without: { dimension: 'model', values: ['b', null] },
    });
    expect(part.filters).toEqual([{ parameter: 'model', excludes: true, values: ['a', 'b', ''] }]);
    expect(part.groupBy).toContain('model');
  });

  it('keeps grouping by currency for another than dollars, since the API gives such amounts in no other way', () => {
    const byCurrency = (value: string): string[] => [
      ...drill(parse('group_by=currency'), { days: null, values: [['currency', value]] }).groupBy,
    ];
    expect(byCurrency('EUR')).toContain('currency');
    expect(byCurrency('USD')).not.toContain('currency');
    const narrower = drill(parse('group_by=model&currency=EUR'), { days: null, values: [['model', 'm']] });
    expect(narrower.groupBy).toContain('currency');
  });

  it('groups by something even if every dimension is settled', () => {
    fc.assert(
      fc.property(queries, (any) => {
        const values = dimensionsOf(any.report).map((name): [string, string] => [name, 'x']);
        const { groupBy } = drill({ ...any, groupBy: ['model'] }, { days: null, values });
        expect(groupBy).toHaveLength(1);
      }),
    );
  });

  it('has the groups of the report alone', () => {
    expect(drill(parse('report=usage&group_by=day'), { days: null, values: [] }).groupBy).toEqual([
      'connection',
      'workspace',
      'model',
      'service_tier',
      'context_window',
      'inference_geo',
    ]);
  });
});

describe('changing a query', () => {
  it('drops what the other report lacks, and adds what it needs', () => {
    const costs = parse('group_by=day,cost_type&token_type=output&cost_type=x&compare=year&order=-amount&foo=1');
    expect(printQuery(withReport(costs, 'usage'))).toBe(
      'report=usage&from=2026-11-01&to=2026-11-30&group_by=day&compare=year',
    );
    expect(printQuery(withReport(costs, 'unit-costs'))).toBe(
      'report=unit-costs&from=2026-11-01&to=2026-11-30&group_by=day&token_type=output',
    );
    expect(withReport(parse('group_by=day'), 'changes')).toMatchObject({ groupBy: ['model'], compare: 'month' });
  });

  it('keeps a filter in its place, and removes it without values', () => {
    const query = parse('model=a&not.model=b&workspace=w');
    const other = withFilter(query, { parameter: 'model', excludes: false, values: ['c'] });
    expect(other.filters.map(({ values }) => values)).toEqual([['c'], ['b'], ['w']]);
    expect(withFilter(other, { parameter: 'model', excludes: true, values: [] }).filters).toHaveLength(2);
  });

  it('limits a chart to the values of its groups, but never the connections', () => {
    const narrowed = narrowedTo(parse('group_by=day,connection,model,workspace'), [
      ['c1', 'a', null],
      ['c2', 'a', 'w'],
    ]);
    expect(narrowed.filters).toEqual([
      { parameter: 'model', excludes: false, values: ['a'] },
      { parameter: 'workspace', excludes: false, values: ['', 'w'] },
    ]);
  });

  it('shows the first table that a query has', () => {
    expect(viewOf(parse('group_by=day'))).toBe('days');
    expect(viewOf(parse('group_by=model&view=days'))).toBe('groups');
    expect(viewsOf(parse('group_by=model,day'))).toEqual(['groups', 'days', 'lines']);
  });

  it('offers ranges that end today or with the last month', () => {
    expect(presets(TODAY).map(({ from, to }) => `${from} ${to}`)).toEqual([
      '2026-11-01 2026-11-30',
      '2026-10-01 2026-10-31',
      '2026-11-24 2026-11-30',
      '2026-10-31 2026-11-30',
      '2026-09-02 2026-11-30',
      '2025-12-01 2026-11-30',
    ]);
  });
});
