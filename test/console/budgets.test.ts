import { sql } from 'drizzle-orm';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { addDays, dayOf, type Day } from '../../domain/days.ts';
import { toDecimal } from '../../domain/money.ts';
import { seedConnection } from '../api/support.ts';
import { spike, storeIncident } from '../support/incident.ts';
import { until } from '../support/wait.ts';
import { DARK, describeInBrowser, NARROW, violationsOf, type Opened } from './browser.ts';
import { startConsoleWorld, type ConsoleWorld } from './world.ts';

const HOSTILE = `<img src=x onerror="document.title='hacked'"><b>Costs</b>'"&`;
const made = z.object({ id: z.string() });
const band = { mean: z.string(), low: z.string(), high: z.string() };
const budget = z.object({
  id: z.string(),
  name: z.string(),
  period: z.unknown(),
  amount: z.string(),
  spent: z.string(),
  percent: z.string(),
  filters: z.record(z.string(), z.array(z.string())).nullable(),
  cost_center: z.string().nullable(),
  forecast: z.object({
    mean: z.string().nullable(),
    low: z.string().nullable(),
    high: z.string().nullable(),
    days: z.array(z.object({ day: z.string(), ...band })),
  }),
  thresholds: z.array(z.object({ of: z.string(), amount: z.string(), fired_at: z.string().nullable() })),
  days: z.array(z.object({ day: z.string(), spent: z.string(), state: z.string() })),
});
const forecast = z.object({
  method: z.string(),
  basis: z.string(),
  through: z.string(),
  total: z.object(band),
  backtest: z.object({ origins: z.number() }).nullable(),
  days: z.array(z.object({ day: z.string(), kind: z.string(), ...band })),
});
const anomaly = z.object({
  feedback: z.object({ feedback: z.string(), note: z.string().nullable(), effect: z.string().nullable() }).nullable(),
});

describeInBrowser('budgets, anomalies and forecasts in the console', () => {
  let here: ConsoleWorld;
  let opened: Opened;
  let page: Page;
  let viewer: string;
  let connection: string;
  let incident: string;
  const today: Day = dayOf(Date.now());
  const day = addDays(today, -5);
  const subject = (): Promise<string> =>
    read(`/v1/anomalies/${incident}`, z.object({ subject: z.string() })).then((of) => of.subject);
  beforeAll(async () => {
    here = await startConsoleWorld();
    const sent = await here.send('POST', '/v1/connections', {
      name: HOSTILE,
      admin_api_key: here.world.key,
      backfill_days: 62,
    });
    ({ id: connection } = made.parse(sent.body));
    await until('the days to be read', async () => {
      const { status } = await read(`/v1/connections/${connection}`, z.object({ status: z.string() }));
      return status === 'active';
    });
    const token = await here.send('POST', '/v1/tokens', { name: 'reader', role: 'viewer' });
    ({ token: viewer } = z.object({ token: z.string() }).parse(token.body));
    opened = await here.openAs();
    ({ page } = opened);
  });
  afterAll(() => here.close());

  async function read<T>(path: string, schema: z.ZodType<T>): Promise<T> {
    return schema.parse((await here.send('GET', path)).body);
  }
  async function show(place: string, of: Page = page): Promise<void> {
    await of.goto(`/#/${place}`);
    await of.getByRole('heading', { level: 1 }).waitFor();
    await of.waitForLoadState('networkidle');
    await of
      .getByText(/^Loading /)
      .first()
      .waitFor({ state: 'detached' });
  }
  const press = (name: string | RegExp, within: Page | Locator = page): Promise<void> =>
    within.getByRole('button', { name }).click();
  const exactOf = (cells: Locator): Promise<string[]> =>
    cells.evaluateAll((all) =>
      all.map((cell: { getAttribute(name: string): string | null }) => String(cell.getAttribute('data-exact'))),
    );
  const budgetNamed = async (name: string): Promise<z.output<typeof budget>> => {
    const { data } = await read(
      '/v1/budgets',
      z.object({ data: z.array(z.object({ id: z.string(), name: z.string() })) }),
    );
    return read(`/v1/budgets/${data.find((each) => each.name === name)?.id ?? ''}`, budget);
  };
  const dollars = (amount: string): string =>
    Number(amount).toLocaleString('en-US', { style: 'currency', currency: 'USD' });

  test('says what is wrong at its field, and then creates a budget whose figures are those of the API', async () => {
    await show('budgets');
    await page.getByText('There is no budget yet.').waitFor();
    await page.getByRole('link', { name: 'Create a budget' }).click();
    await press(/^Create$/);
    await page.locator('#budget-name-says .fault').waitFor();
    await page
      .locator('#budget-amount-says')
      .getByText(/must be a decimal above zero/)
      .waitFor();
    await until('the field to have the focus', () => page.evaluate('document.activeElement.id === "budget-name"'));
    await page.getByLabel('Name').fill(HOSTILE);
    await page.getByLabel('Amount in US dollars').fill('$1,000,000');
    const second = page.getByRole('group', { name: 'Threshold 2' });
    await second.getByLabel('At').fill('0.01');
    await press('+ filter');
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Only lines whose').selectOption('cost_type');
    await dialog.getByLabel('tokens', { exact: false }).first().check();
    await press('Take it', dialog);
    await press(/^Create$/);
    await page.getByRole('heading', { level: 1, name: HOSTILE }).waitFor();
    const stored = await budgetNamed(HOSTILE);
    expect(stored).toMatchObject({ amount: '1000000', period: 'month', filters: { cost_type: ['tokens'] } });
    expect(stored.thresholds.map(({ of, amount }) => [of, amount])).toEqual([
      ['actual', '800000'],
      ['actual', '100'],
      ['forecast', '1000000'],
    ]);
  });

  test('shows a budget as a chart and as a table with the numbers of the API, the limit and when it told', async () => {
    let stored = await budgetNamed(HOSTILE);
    await until('the threshold to tell and the forecast to be kept', async () => {
      stored = await budgetNamed(HOSTILE);
      return stored.thresholds.some(({ fired_at: at }) => at !== null) && stored.forecast.mean !== null;
    });
    await show(`budgets/${stored.id}`);
    await page.reload();
    await show(`budgets/${stored.id}`);
    const last = stored.days.at(-1)?.day ?? '';
    const ahead = stored.forecast.days.filter((each) => each.day > last);
    expect(await exactOf(page.locator('.figures [data-exact]'))).toEqual([stored.spent, stored.forecast.mean]);
    await page.getByText('The days as a table').click();
    expect(await exactOf(page.getByRole('region', { name: 'Spent by the end' }).locator('[data-exact]'))).toEqual([
      ...stored.days.map(({ spent }) => spent),
      ...ahead.map(({ mean }) => mean),
    ]);
    const days = await page
      .locator('[data-bar]')
      .evaluateAll((bars) =>
        bars.map((bar: { getAttribute(name: string): string | null }) => bar.getAttribute('data-bar')),
      );
    expect(days).toEqual([...stored.days, ...ahead].map((each) => each.day));
    expect(await page.locator('.chart .band').count()).toBe(ahead.length);
    const provisional = stored.days.filter(({ state, spent }) => state === 'provisional' && Number(spent) > 0);
    expect(await page.locator('.chart .over').count()).toBe(provisional.length);
    await page.getByText('Limit $1,000,000.00').waitFor();
    const spoken = await page.locator('.chart p.hidden').textContent();
    expect(spoken).toContain(`${dollars(stored.spent)} of $1,000,000.00 (${stored.percent} %)`);
    await page.getByText('The amount is expected to last to the end of the period.').waitFor();
    const told = page.getByRole('row', { name: /0\.01 % spent/ });
    await told.getByRole('link', { name: /^on .* UTC$/ }).click();
    await page.getByRole('heading', { name: 'Deliveries' }).waitFor();
  });

  test('lists each budget with what is spent of it and what is expected', async () => {
    const stored = await budgetNamed(HOSTILE);
    await show('budgets');
    const entry = page.getByRole('list', { name: 'The budgets' }).getByRole('listitem');
    await entry.getByText(`${dollars(stored.spent)} of $1,000,000.00 (${stored.percent} %)`).waitFor();
    await entry.getByText(`${dollars(stored.forecast.mean ?? '')} expected`).waitFor();
    await entry.getByText('Has told').waitFor();
    const width = await entry.locator('.meter i').last().getAttribute('style');
    const whole = Math.max(1_000_000, Number(stored.forecast.high));
    expect(parseFloat(String(width).replace(/^width: /, ''))).toBeCloseTo((Number(stored.spent) / whole) * 100, 3);
  });

  test('says what a draft would have told over the stored past, as the API says it, and stores nothing', async () => {
    const stored = await budgetNamed(HOSTILE);
    await show(`budgets/${stored.id}`);
    await page.getByRole('link', { name: 'Change', exact: true }).click();
    await page.getByLabel('Amount in US dollars').fill('10');
    await press('What would it have told?');
    const body = {
      filters: { cost_type: ['tokens'] },
      period: 'month',
      amount: '10',
      thresholds: [
        { of: 'actual', percent: '80' },
        { of: 'actual', percent: '0.01' },
        { of: 'forecast', percent: '100' },
      ],
    };
    const replay = z
      .object({ settled_days: z.number(), alerts: z.array(z.unknown()) })
      .parse((await here.send('POST', '/v1/budgets/replay', body)).body);
    expect(replay.alerts.length).toBeGreaterThan(1);
    await page.getByText(`it would have told ${replay.alerts.length} times`).waitFor();
    const rows = page.getByRole('region', { name: 'The alerts' }).getByRole('row');
    expect(await rows.count()).toBe(replay.alerts.length + 1);
    expect((await budgetNamed(HOSTILE)).amount).toBe('1000000');
  });

  test('changes a budget to a cost center and certain days, and keeps a draft until it is given up', async () => {
    const stored = await budgetNamed(HOSTILE);
    await show(`budgets/${stored.id}/edit`);
    expect(await page.getByLabel('Amount in US dollars').inputValue()).toBe('10');
    await press('Cancel');
    await page.getByRole('link', { name: 'Change', exact: true }).click();
    expect(await page.getByLabel('Amount in US dollars').inputValue()).toBe('1000000');
    await page.getByLabel('What a cost center is charged').check();
    await page.getByLabel('Cost center', { exact: true }).fill('platform');
    await page.getByLabel('Period').selectOption('days');
    await page.getByLabel('First day').fill(addDays(today, -3));
    await page.getByLabel('Last day').fill(addDays(today, -4));
    await press('Save');
    await page.locator('#budget-period-says .fault').waitFor();
    await page.getByLabel('Last day').fill(addDays(today, 20));
    await press('Remove threshold 2');
    await press('Save');
    await page.getByText('Nothing matches it in this period so far.').waitFor();
    await page.getByText(/^Cost center platform, .*, UTC\.$/).waitFor();
    const { thresholds, ...changed } = await budgetNamed(HOSTILE);
    expect(changed).toMatchObject({
      cost_center: 'platform',
      filters: null,
      period: { from: addDays(today, -3), to: addDays(today, 20) },
    });
    expect(thresholds).toHaveLength(2);
  });

  test('says on the overview what the month is expected to come to, as the API says it', async () => {
    const expected = await read('/v1/forecast', forecast);
    await show('overview');
    const { mean, low, high } = expected.total;
    await page
      .getByText(`This month is expected to come to ${dollars(mean)} (80 %: ${dollars(low)} to ${dollars(high)}).`)
      .waitFor();
    await page
      .getByText(
        new RegExp(
          `^Method: ${expected.method.replaceAll('_', ' ')}\\. Repeated from ${expected.backtest?.origins ?? ''} past days`,
        ),
      )
      .waitFor();
    const ahead = expected.days.filter((each) => each.day > today);
    expect(await page.locator('.chart .bar.expected').count()).toBe(ahead.length);
    expect(ahead.at(-1)?.day ?? today).toBe(expected.through);
  });

  describe('while an anomaly is open', () => {
    beforeAll(async () => {
      // An assessment would take it back: the days do not show it.
      await here.world.stopWorker();
      const usd = { observed: toDecimal('150.0000001'), expected: toDecimal('50.25') };
      incident = await storeIncident(
        here.world.database.db,
        connection,
        spike({
          key: `up ${day}`,
          cause: [{ dimension: 'model', value: HOSTILE }],
          ...{ firstDay: day, lastDay: day, detectedOn: day },
          days: [{ day, ...usd, low: toDecimal('40'), high: toDecimal('60.5') }],
        }),
      );
      await show('anomalies');
    });

    test('shows an anomaly beside its day: in the overview, in Explore and on the day of its connection', async () => {
      const words = await subject();
      const month = day.slice(0, 7);
      await show(`overview?month=${month}`);
      await page.locator(`[data-bar="${day}"] .unusual`).waitFor();
      expect(await page.locator('[data-bar] .unusual').count()).toBe(1);
      await page.getByText('The days as a table').click();
      const row = page.getByRole('region', { name: 'Cost by day' }).getByRole('row').filter({ hasText: words });
      expect(await row.count()).toBe(1);
      await page.locator(`[data-bar="${day}"] .unusual`).click();
      await page.waitForURL(`**/#/anomalies/${incident}`);
      await show(`explore?report=costs&from=${addDays(day, -3)}&to=${addDays(day, 3)}&group_by=day&view=days`);
      await page.locator(`[data-bar="${day}"] .unusual`).waitFor();
      expect(await page.locator('[data-bar] .unusual').count()).toBe(1);
      await page.getByRole('row').filter({ hasText: words }).getByRole('link', { name: words }).click();
      await page.waitForURL(`**/#/anomalies/${incident}`);
      await show(`connections/${connection}/days/${day}`);
      await page.getByRole('region', { name: 'What was unusual' }).getByRole('link', { name: words }).click();
      await page.waitForURL(`**/#/anomalies/${incident}`);
      await show(`connections/${connection}/days/${addDays(day, -1)}`);
      expect(await page.getByRole('heading', { name: 'What was unusual' }).count()).toBe(0);
    });

    test('shows an anomaly with its cause, its days against the band, and exact amounts', async () => {
      await show(`anomalies/${incident}`);
      expect(await exactOf(page.locator('.figures [data-exact]'))).toEqual(['150.0000001', '50.25', '99.7500001']);
      expect(await exactOf(page.getByRole('region', { name: 'The days' }).locator('[data-exact]'))).toEqual([
        '150.0000001',
        '50.25',
        '40',
        '60.5',
      ]);
      expect(await page.locator('.chart .band').count()).toBe(1);
      await page.getByText(`model ${HOSTILE} (97 % of the excess)`).waitFor();
      await page.getByRole('link', { name: 'Explore these days' }).click();
      await page.waitForURL(`**/#/explore?*from=${addDays(day, -14)}*`);
      await show('anomalies');
      await page
        .getByRole('list', { name: 'The open anomalies' })
        .getByRole('link', { name: await subject() })
        .waitFor();
      await page.getByLabel('Kind').selectOption('drift');
      await page.getByText('No anomaly is like this.').waitFor();
    });

    test('takes feedback and shows what follows from it, and a sensitivity', async () => {
      await show(`anomalies/${incident}`);
      await page.getByLabel('Expected: it was planned').check();
      await page.getByLabel('Why, if you like').fill('We load the archive.');
      await press('Send');
      await page.getByText('We load the archive.').waitFor();
      const { feedback } = await read(`/v1/anomalies/${incident}`, anomaly);
      expect(feedback).toMatchObject({ feedback: 'expected', note: 'We load the archive.' });
      expect(feedback?.effect).not.toBeNull();
      await page.getByText(String(feedback?.effect)).waitFor();
      await show('anomalies');
      await page.getByLabel('High: also what is small').check();
      await until('it to be stored', async () => {
        const { sensitivity } = await read('/v1/anomalies/settings', z.object({ sensitivity: z.string() }));
        return sensitivity === 'high';
      });
    });

    test('a viewer sees all of it, may ask what would have been told, and has no button that changes something', async () => {
      const { page: seen, context } = await here.openAs(viewer);
      const { id } = await budgetNamed(HOSTILE);
      for (const place of ['budgets', `budgets/${id}`, 'anomalies', `anomalies/${incident}`]) {
        await show(place, seen);
        expect([place, await seen.locator('main button, main form, main fieldset').count()]).toEqual([place, 0]);
        expect(await seen.locator('main a[href$="/new"], main a[href$="/edit"]').count()).toBe(0);
      }
      for (const place of ['budgets/new', `budgets/${id}/edit`]) {
        await show(place, seen);
        await seen.getByText('An admin of this Meterline must do this.').waitFor();
      }
      await context.close();
    });

    describe.each([
      ['in the light', {}],
      ['in the dark', DARK],
      ['on a small screen', NARROW],
      ['at twice the size', { viewport: { width: 640, height: 480 }, deviceScaleFactor: 2 }],
    ])('%s', (_, options) => {
      test('has nothing that keeps people out, no name that acts as code, and no page wider than the screen', async () => {
        const { page: seen, context, errors } = await here.openAs(here.token, options);
        const { id } = await budgetNamed(HOSTILE);
        const budgets = ['budgets', `budgets/${id}`, 'budgets/new', `budgets/${id}/edit`, 'budgets/moon'];
        const others = [
          'anomalies',
          `anomalies/${incident}`,
          'anomalies/moon',
          `connections/${connection}/days/${day}`,
        ];
        for (const place of [...budgets, ...others, `overview?month=${day.slice(0, 7)}`, 'overview']) {
          await show(place, seen);
          for (const summary of await seen.locator('details > summary').all()) await summary.click();
          if (place.endsWith('new')) await press('What would it have told?', seen);
          await seen.waitForLoadState('networkidle');
          expect([place, await violationsOf(seen)]).toEqual([place, []]);
          expect([place, await seen.title()]).toEqual([place, expect.stringMatching(/^\w+ · Meterline$/)]);
          const excess = await seen.evaluate('document.documentElement.scrollWidth - innerWidth');
          expect([place, excess]).toEqual([place, 0]);
        }
        expect(errors.filter((error) => !/40[04]/.test(error))).toEqual([]);
        await context.close();
      });
    });
  });

  test('warns where filters name a connection whose organization a newer one reads: in the list, on its page, of a report', async () => {
    const { db } = here.world.database;
    const organization = z.object({ organization: z.object({ id: z.string() }) });
    const { id: ofBoth } = (await read(`/v1/connections/${connection}`, organization)).organization;
    const ended = await seedConnection(db, {
      ...{ name: 'Before', organization: ofBoth, status: 'disconnected', createdAt: new Date('2026-01-01') },
    });
    const query = { connection_id: ended };
    const sent = await here.send('POST', '/v1/budgets', {
      ...{ name: 'Of before', filters: query, period: 'month', amount: '5' },
      thresholds: [{ of: 'actual', percent: '100' }],
    });
    const { id } = made.parse(sent.body);
    const report = { name: 'Of before', every: 'daily', hour: 8, time_zone: 'UTC', query };
    const { id: reportId } = made.parse((await here.send('POST', '/v1/reports', report)).body);
    for (const place of ['budgets', `budgets/${id}`, 'alerts/reports']) {
      await show(place);
      await page.getByText(`and not ${connection}, the newer one of the same organization.`).waitFor();
    }
    await here.send('DELETE', `/v1/reports/${reportId}`);
    await here.send('DELETE', `/v1/budgets/${id}`);
    await db.execute(sql`delete from connections where id = ${ended}`);
  });

  test('deletes a budget after a question', async () => {
    const { id } = await budgetNamed(HOSTILE);
    await show(`budgets/${id}`);
    await press(`Delete ${HOSTILE}`);
    await press(`Delete ${HOSTILE}`, page.getByRole('dialog'));
    await page.getByText('There is no budget yet.').waitFor();
    expect((await here.send('GET', `/v1/budgets/${id}`)).status).toBe(404);
  });
});
