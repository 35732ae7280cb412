import { daysOf, plus, plusMonths } from '../spend/days.ts';
import { sumOf, textOf, unitsOf } from '../spend/decimal.ts';
import { TOKEN_TYPES, TODAY, type Connection, type CostLine, type Read, type UsageLine } from './year.ts';

/** What the panels should show, from the year in memory. It shares no code with what it checks. */

/** What somebody chose on the dashboard: days, and values or all of them. */
export interface Asked {
  readonly from: string;
  readonly to: string;
  readonly connection: readonly string[] | 'all';
  readonly workspace: readonly string[] | 'all';
  readonly model: readonly string[] | 'all';
}

/** A text is exact, a number is near. */
export type Cell = string | number | null;

type Report = 'cost' | 'usage';

interface Day<Line> {
  readonly connection: Connection;
  readonly day: string;
  readonly read: Read<Line>;
}

export interface Cover {
  readonly connection: Connection;
  readonly report: Report;
  readonly day: string;
  readonly state: 'missing' | 'provisional' | 'final';
  readonly flagged: boolean;
}

const chosen = (asked: readonly string[] | 'all', value: string): boolean => asked === 'all' || asked.includes(value);
const within = (day: string, { from, to }: { from: string; to: string }): boolean => from <= day && day <= to;

/** The connections that cover a day of an organization, the newest first. */
function covering(year: readonly Connection[], organization: string, day: string): Connection[] {
  return year
    .filter((one) => one.organization === organization && one.began <= day && day <= (one.ended ?? TODAY))
    .toReversed();
}

/** Every day that is to be read, once for each organization and report. */
export function coverage(
  year: readonly Connection[],
  asked: Asked,
  range: { from: string; to: string } = asked,
): Cover[] {
  const organizations = new Set(year.map(({ organization }) => organization));
  const found: Cover[] = [];
  for (const day of daysOf(range)) {
    for (const organization of organizations) {
      for (const report of ['cost', 'usage'] as const) {
        const [newest, ...older] = covering(year, organization, day);
        if (newest === undefined) continue;
        const connection = [newest, ...older].find((one) => one[report].has(day)) ?? newest;
        const read = connection[report].get(day);
        const { state, flagged } = read ?? ({ state: 'missing', flagged: false } as const);
        if (chosen(asked.connection, connection.id)) found.push({ connection, report, day, state, flagged });
      }
    }
  }
  return found;
}

/** The days of a report that count, each from the newest connection that has it. */
function daysThatCount<Line>(
  year: readonly Connection[],
  asked: Asked,
  range: { from: string; to: string },
  of: (connection: Connection) => ReadonlyMap<string, Read<Line>>,
): Day<Line>[] {
  return year.flatMap((connection, place) => {
    const newer = year.slice(place + 1).filter(({ organization }) => organization === connection.organization);
    if (!chosen(asked.connection, connection.id)) return [];
    return [...of(connection)]
      .filter(([day]) => within(day, range) && newer.every((one) => !of(one).has(day)))
      .map(([day, read]) => ({ connection, day, read }));
  });
}

interface Owned {
  readonly connection: Connection;
  readonly day: string;
}

function asks(asked: Asked, { workspace, model }: { workspace: string | null; model: string | null }): boolean {
  return chosen(asked.workspace, workspace ?? 'default') && chosen(asked.model, model ?? '-');
}

/** The lines of cost that the choices leave, of every currency. */
function costs(year: readonly Connection[], asked: Asked, range: { from: string; to: string } = asked) {
  return daysThatCount(year, asked, range, ({ cost }) => cost).flatMap(({ connection, day, read }) =>
    read.lines.filter((line) => asks(asked, line)).map((line): CostLine & Owned => ({ ...line, connection, day })),
  );
}

function usages(year: readonly Connection[], asked: Asked) {
  return daysThatCount(year, asked, asked, ({ usage }) => usage).flatMap(({ connection, day, read }) =>
    read.lines.filter((line) => asks(asked, line)).map((line): UsageLine & Owned => ({ ...line, connection, day })),
  );
}

const dollars = (lines: readonly (CostLine & Owned)[]) => lines.filter(({ currency }) => currency === 'USD');
const total = (lines: readonly CostLine[]): bigint => sumOf(lines.map(({ amount }) => unitsOf(amount)));
const sum = (lines: readonly CostLine[]): string => textOf(total(lines));

function groups<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const found = new Map<string, T[]>();
  for (const item of items) {
    const own = found.get(key(item));
    if (own === undefined) found.set(key(item), [item]);
    else own.push(item);
  }
  return found;
}

/** The name of a workspace, with its id, or its organization, if another workspace of the lines has that name, too. */
function labelsOf(lines: readonly (CostLine & Owned)[]): (line: CostLine & Owned) => string {
  const idOf = ({ workspace, connection }: CostLine & Owned): string => workspace ?? connection.organization;
  const nameOf = ({ workspace, connection }: CostLine & Owned): string =>
    workspace === null ? 'Default workspace' : (connection.names.get(workspace) ?? workspace);
  const ids = new Map([...groups(lines, nameOf)].map(([name, own]) => [name, new Set(own.map(idOf)).size]));
  return (line) => ((ids.get(nameOf(line)) ?? 0) > 1 ? `${nameOf(line)} (${idOf(line)})` : nameOf(line));
}

const SHOWN = 12;

/** Sums by day and label, the largest labels by themselves and the others as one. */
function stacked(
  lines: readonly (CostLine & Owned)[],
  label: (line: CostLine & Owned) => string,
  rest: string,
): Cell[][] {
  const largest = [...groups(lines, label)]
    .map(([name, own]) => ({ name, amount: total(own) }))
    .sort((a, b) => (a.amount < b.amount ? 1 : -1))
    .slice(0, SHOWN)
    .map(({ name }) => name);
  const shown = (line: CostLine & Owned): string => (largest.includes(label(line)) ? label(line) : rest);
  return [...groups(lines, (line) => JSON.stringify([line.day, shown(line)]))].map(([key, own]) => [
    ...(JSON.parse(key) as string[]),
    sum(own),
  ]);
}

/** A sum of these days; null if none of them was read. */
function spentIn(year: readonly Connection[], asked: Asked, range: { from: string; to: string }): Cell[][] {
  const isRead = coverage(year, asked, range).some(({ report, state }) => report === 'cost' && state !== 'missing');
  return [[isRead ? sum(dollars(costs(year, asked, range))) : null]];
}

function inputOf({ tokens }: UsageLine): { read: number; all: number } {
  const of = (type: string): number => tokens[type] ?? 0;
  const [uncached, , read, fiveMinutes, hour] = TOKEN_TYPES;
  return { read: of(read), all: of(uncached) + of(read) + of(fiveMinutes) + of(hour) };
}

function hitRate(lines: readonly UsageLine[]): number | null {
  const all = lines.reduce((so, line) => so + inputOf(line).all, 0);
  return all === 0 ? null : lines.reduce((so, line) => so + inputOf(line).read, 0) / all;
}

interface Priced {
  readonly day: string;
  readonly model: string | null;
  readonly tokenType: string | null;
  readonly amount: bigint;
  readonly tokens: bigint;
  readonly unmatched: bigint;
  readonly unpriced: bigint;
}

/** Costs and tokens where they meet: on a day of a connection, in a workspace, model, tier and token type. */
function cells(year: readonly Connection[], asked: Asked): Priced[] {
  const key = (connection: Connection, ...rest: (string | null)[]): string => JSON.stringify([connection.id, ...rest]);
  const found = new Map<
    string,
    { day: string; model: string | null; type: string | null; cost?: bigint; tokens: bigint }
  >();
  for (const { connection, day, workspace, model, tier, tokenType, amount } of dollars(costs(year, asked))) {
    const at = key(connection, day, workspace, model, tier, tokenType);
    const before = found.get(at) ?? { day, model, type: tokenType, tokens: 0n };
    found.set(at, { ...before, cost: (before.cost ?? 0n) + unitsOf(amount) });
  }
  for (const { connection, day, workspace, model, tier, tokens } of usages(year, asked)) {
    for (const [type, count] of Object.entries(tokens)) {
      if (count === 0) continue;
      const at = key(connection, day, workspace, model, tier, type);
      const before = found.get(at) ?? { day, model, type, tokens: 0n };
      found.set(at, { ...before, tokens: before.tokens + BigInt(count) });
    }
  }
  return [...found.values()].map(({ day, model, type, cost, tokens }) => ({
    ...{ day, model, tokenType: type, amount: cost ?? 0n, tokens },
    unmatched: tokens === 0n ? (cost ?? 0n) : 0n,
    unpriced: cost === undefined ? tokens : 0n,
  }));
}

function priceOf(own: readonly Priced[]): number | null {
  const tokens = sumOf(own.map((one) => one.tokens - one.unpriced));
  if (tokens === 0n) return null;
  return (Number(textOf(sumOf(own.map((one) => one.amount - one.unmatched)))) * 1e6) / Number(tokens);
}

function priceRows(year: readonly Connection[], asked: Asked): Cell[][] {
  const key = ({ model, tokenType }: Priced): string => JSON.stringify([model, tokenType]);
  return [...groups(cells(year, asked), key).values()].map((own) => [
    own[0]?.model ?? 'no model',
    own[0]?.tokenType ?? 'no tokens',
    textOf(sumOf(own.map(({ amount }) => amount))),
    sumOf(own.map(({ tokens }) => tokens)).toString(),
    priceOf(own),
    textOf(sumOf(own.map(({ unmatched }) => unmatched))),
    sumOf(own.map(({ unpriced }) => unpriced)).toString(),
  ]);
}

const STATES = { missing: 0, flagged: 1, provisional: 2, final: 3 } as const;

function timeline(year: readonly Connection[], asked: Asked): Cell[][] {
  const rows = coverage(year, asked).map(({ connection, report, day, state, flagged }) => [
    day,
    `${connection.organization}, ${report === 'cost' ? 'costs' : 'usage'}`,
    String(STATES[flagged ? 'flagged' : state]),
  ]);
  const ends = [...groups(rows, ([, metric = '']) => metric)].map(([metric, own]) => [
    plus(
      own.map(([day = '']) => day).reduce((a, b) => (a > b ? a : b)),
      1,
    ),
    metric,
    null,
  ]);
  return [...rows, ...ends];
}

function trust(year: readonly Connection[], asked: Asked): Cell[][] {
  const own = coverage(year, asked).filter(({ report }) => report === 'cost');
  const count = (of: (cover: Cover) => boolean): string => String(own.filter(of).length);
  if (own.length === 0) return [];
  return [
    [
      count(({ state }) => state === 'missing'),
      count(({ state }) => state === 'provisional'),
      count(({ flagged }) => flagged),
    ],
  ];
}

function restated(year: readonly Connection[], asked: Asked): Cell[][] {
  return daysThatCount(year, asked, asked, ({ cost }) => cost).flatMap(({ connection, day, read }) => {
    if (read.before === undefined) return [];
    const ofDollars = (lines: readonly CostLine[]): bigint => total(lines.filter(({ currency }) => currency === 'USD'));
    const [before, after] = [ofDollars(read.before), ofDollars(read.lines)];
    if (read.before.length === 0) return [];
    return [[day, connection.organization, 'costs, USD', textOf(before), textOf(after), textOf(after - before), '1']];
  });
}

function otherCurrencies(year: readonly Connection[], asked: Asked): Cell[][] {
  const own = costs(year, asked).filter(({ currency }) => currency !== 'USD');
  const key = ({ currency, connection }: CostLine & Owned): string =>
    JSON.stringify([currency, connection.organization]);
  return [...groups(own, key)].map(([at, lines]) => [
    ...(JSON.parse(at) as string[]),
    sum(lines),
    String(new Set(lines.map(({ day }) => day)).size),
  ]);
}

function byWorkspaceAndModel(year: readonly Connection[], asked: Asked): Cell[][] {
  const lines = dollars(costs(year, asked));
  const label = labelsOf(lines);
  return [...groups(lines, (line) => JSON.stringify([label(line), line.model ?? 'no model']))].map(([key, own]) => [
    ...(JSON.parse(key) as string[]),
    sum(own),
    Number(sum(own)) / Number(sum(lines)),
  ]);
}

/** The rule of the test's document takes one model; nobody has the rest. */
function centers(year: readonly Connection[], asked: Asked): Cell[][] {
  const month = { from: `${asked.to.slice(0, 7)}-01`, to: plus(plusMonths(`${asked.to.slice(0, 7)}-01`, 1), -1) };
  const key = ({ model }: CostLine): string => (model === 'opus' ? 'Red' : 'Nobody: no rule matched');
  return [...groups(dollars(costs(year, asked, month)), key)].map(([center, own]) => {
    return [center, sum(own), null, null, sum(own)];
  });
}

/** The days of a state in a row, with the day after the last. */
export function stretches(year: readonly Connection[], asked: Asked, state: Cover['state'], text: string): Cell[][] {
  const own = coverage(year, asked).filter((one) => one.report === 'cost' && one.state === state);
  const days = [...new Set(own.map(({ day }) => day))].sort();
  return days.flatMap((day) => {
    if (days.includes(plus(day, -1))) return [];
    let end = plus(day, 1);
    while (days.includes(end)) end = plus(end, 1);
    return [[day, end, text]];
  });
}

const monthOf = (day: string): string => `${day.slice(0, 7)}-01`;

/** By the title of the panel. Those of budgets and forecasts show what is stored, and have tests of their own. */
export const ORACLES: Readonly<Record<string, (year: readonly Connection[], asked: Asked) => Cell[][]>> = {
  'Month to date': (year, asked) => spentIn(year, asked, { from: monthOf(asked.to), to: asked.to }),
  'Same days of the month before': (year, asked) =>
    spentIn(year, asked, { from: plusMonths(monthOf(asked.to), -1), to: plusMonths(asked.to, -1) }),
  'Cache hit rate': (year, asked) => [[hitRate(usages(year, asked))]],
  'Days of cost that are not final': trust,
  'Cost per day, by workspace': (year, asked) => {
    const lines = dollars(costs(year, asked));
    return stacked(lines, labelsOf(lines), 'all other workspaces');
  },
  'Cost per day, by model': (year, asked) =>
    stacked(dollars(costs(year, asked)), ({ model }) => model ?? 'no model', 'all other models'),
  'Cost per day, by token type': (year, asked) =>
    [
      ...groups(dollars(costs(year, asked)), ({ day, tokenType, costType }) =>
        JSON.stringify([day, tokenType ?? costType]),
      ),
    ].map(([key, own]) => [...(JSON.parse(key) as string[]), sum(own)]),
  'Cost by workspace and model': byWorkspaceAndModel,
  'Price of a million tokens, by model and token type': (year, asked) =>
    [
      ...groups(
        cells(year, asked).filter(({ tokenType }) => tokenType !== null),
        ({ day, model, tokenType }) => JSON.stringify([day, `${model ?? 'no model'}, ${tokenType ?? ''}`]),
      ),
    ].flatMap(([key, own]) => {
      const price = priceOf(own);
      return price === null ? [] : [[...(JSON.parse(key) as string[]), price]];
    }),
  'Cache hit rate, by model': (year, asked) =>
    [...groups(usages(year, asked), ({ day, model }) => JSON.stringify([day, model]))].flatMap(([key, own]) => {
      const rate = hitRate(own);
      return rate === null ? [] : [[...(JSON.parse(key) as string[]), rate]];
    }),
  'Prices of the chosen time': priceRows,
  'Which days are there': timeline,
  'Restated days': restated,
  'Costs in other currencies': otherCurrencies,
  'Cost by cost center': centers,
};
