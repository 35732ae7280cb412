import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { until } from '../support/wait.ts';
import { DARK, describeInBrowser } from './browser.ts';
import { startConsoleWorld, type ConsoleWorld } from './world.ts';

/** With METERLINE_PICTURES=1, the pictures of the documents are made anew. */
const isMaking = process.env['METERLINE_PICTURES'] === '1';
const IMAGES = join(import.meta.dirname, '../../docs/images');
const SIZE = { viewport: { width: 1280, height: 800 } };

/** A day so many days ago. */
function daysAgo(days: number): string {
  return new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10);
}

/** By team, and what several teams use in a pool. The tokens of the default workspace belong to nobody. */
const RULES = {
  rules: [
    { name: 'By team', where: {}, to: { tag: 'team' } },
    { name: 'Web searches', where: { cost_type: ['web_search'] }, to: { pool: 'Shared' } },
  ],
  pools: [{ name: 'Shared', split: { proportional: 'cost' } }],
};

describeInBrowser('the pictures of the documents', () => {
  let here: ConsoleWorld;
  let id: string;
  let budget: string;
  const isActive = async (): Promise<boolean> => {
    const { body } = await here.send('GET', `/v1/connections/${id}`);
    return z.object({ status: z.string() }).parse(body).status === 'active';
  };
  beforeAll(async () => {
    here = await startConsoleWorld();
    const spike = { kind: 'spike', day: daysAgo(9), factor: 5, days: 2, model: 'claude-opus-4-5-20251101' } as const;
    here.world.simulator.control.event(spike);
    const made = await here.send('POST', '/v1/connections', {
      name: 'Acme production',
      admin_api_key: here.world.key,
      backfill_days: 92,
    });
    ({ id } = z.object({ id: z.string() }).parse(made.body));
    await until('the days to be read', isActive);
    here.world.simulator.control.restate({ day: daysAgo(6), kind: 'scale', factor: '1.2' });
    await here.send('POST', `/v1/connections/${id}/sync`, {});
    await until('the correction to be found', async () => {
      const { body } = await here.send('GET', `/v1/connections/${id}/restatements`);
      return z.object({ data: z.array(z.unknown()) }).parse(body).data.length > 0;
    });
    await here.send('PUT', '/v1/allocation', { from: daysAgo(91).slice(0, 7), ...RULES });
    await makeBudgets();
    await until('the spike to be found', async () => (await anomalies()).length > 0, 90_000);
  });
  const list = z.object({ data: z.array(z.object({ id: z.string() })) });
  const anomalies = async (): Promise<{ id: string }[]> =>
    list.parse((await here.send('GET', '/v1/anomalies')).body).data;
  /** A budget of which most is spent, and another one. */
  async function makeBudgets(): Promise<void> {
    const days = { from: daysAgo(20), to: daysAgo(-12) };
    const costs = await here.send('GET', `/v1/costs?from=${days.from}&to=${daysAgo(0)}`);
    const { total } = z.object({ total: z.string() }).parse(costs.body);
    const thresholds = [
      { of: 'actual', percent: '80' },
      { of: 'forecast', percent: '100' },
    ];
    const own = {
      name: 'Haiku',
      filters: { model: ['claude-haiku-4-5-20251001'] },
      period: 'quarter',
      amount: '900000',
    };
    await here.send('POST', '/v1/budgets', { ...own, thresholds });
    const amount = String(Math.round(Number(total) / 850) * 1_000);
    const launch = { name: 'Launch of the assistant', period: days, amount, thresholds };
    ({ id: budget } = z.object({ id: z.string() }).parse((await here.send('POST', '/v1/budgets', launch)).body));
    await until('the budget to be judged', async () => {
      const { body } = await here.send('GET', `/v1/budgets/${budget}`);
      const { forecast } = z.object({ forecast: z.object({ mean: z.string().nullable() }) }).parse(body);
      return forecast.mean !== null;
    });
  }
  afterAll(() => here.close());

  const week = `from=${daysAgo(9)}&to=${daysAgo(3)}`;
  test.each([
    ['console-overview', '#/overview', 'What moved, and why', SIZE],
    [
      'console-explore',
      `#/explore?report=costs&from=${daysAgo(30)}&to=${daysAgo(0)}&group_by=day,workspace`,
      'Groups',
      SIZE,
    ],
    ['console-why', `#/explore?report=changes&${week}&group_by=model&compare=previous`, 'Groups', SIZE],
    ['console-chargeback', `#/chargeback/${daysAgo(0).slice(0, 7)}`, 'Who owes what', SIZE],
    ['console-budgets', '#/budgets', 'All budgets', SIZE],
    ['console-connect', '#/connect', 'Before you paste a key', SIZE],
    ['console-connection', '', 'Every day', { ...SIZE, ...DARK }],
  ] as const)('%s shows the console of today', async (name, place, heading, options) => {
    const { page, context, errors } = await here.openAs(here.token, options);
    await page.goto(`/${place === '' ? `#/connections/${id}` : place}`);
    await page.getByRole('heading', { name: heading }).waitFor();
    await settled(page);
    keep(name, await page.screenshot({ fullPage: name !== 'console-explore' }));
    expect(errors).toEqual([]);
    await context.close();
  });

  test.each([
    ['console-budget', () => `budgets/${budget}`, 'When it tells', {}],
    [
      'console-anomaly',
      async () => `anomalies/${(await anomalies())[0]?.id ?? ''}`,
      'Its days against what was usual',
      DARK,
    ],
  ] as const)('%s shows the console of today, too', async (name, place, heading, options) => {
    const { page, context, errors } = await here.openAs(here.token, { ...SIZE, ...options });
    await page.goto(`/#/${await place()}`);
    await page.getByRole('heading', { name: heading }).waitFor();
    await settled(page);
    keep(name, await page.screenshot({ fullPage: true }));
    expect(errors).toEqual([]);
    await context.close();
  });

  test('console-rules shows a rule that somebody writes, and what it changes', async () => {
    const { page, context, errors } = await here.openAs(here.token, { ...SIZE, ...DARK });
    await page.goto(`/#/chargeback/${daysAgo(0).slice(0, 7)}/rules?workspace=`);
    await page.getByLabel('Cost center', { exact: true }).fill('platform');
    await page.getByRole('region', { name: 'Before and after' }).getByText(/^\+\$/).first().waitFor();
    await settled(page);
    keep('console-rules', await page.screenshot());
    expect(errors).toEqual([]);
    await context.close();
  });

  test('console-alerts shows a key that Anthropic rejects, and who was told', async () => {
    for (const [name, address] of [
      ['Costs team', 'costs@example.com'],
      ['On call', 'on-call@example.com'],
    ]) {
      await here.send('POST', '/v1/channels', { name, kind: 'email', to: [address] });
    }
    const { control } = here.world.simulator;
    const organization = control.addOrganization({ name: 'Acme research' });
    const { key: second } = control.addKey({ organization: organization.id });
    const sent = await here.send('POST', '/v1/connections', { name: 'Acme research', admin_api_key: second });
    const { id: research } = z.object({ id: z.string() }).parse(sent.body);
    const told = async (words: string): Promise<boolean> =>
      JSON.stringify((await here.send('GET', '/v1/notices')).body).includes(words);
    await until('the research to be read', () => told('Acme research is connected'));
    control.setKeyState(second, 'revoked');
    await here.send('POST', `/v1/connections/${research}/sync`, {});
    await until('the trouble to be told', () => told('Acme research needs another Admin key'), 90_000);
    const { page, context, errors } = await here.openAs(here.token, SIZE);
    await page.goto('/#/alerts/notices');
    await page
      .getByText(/^To whom: 2 sent/)
      .first()
      .click();
    await page.getByText('on-call@example.com (On call)').waitFor();
    await settled(page);
    keep('console-alerts', await page.screenshot());
    expect(errors).toEqual([]);
    await context.close();
  });

  test('console-channel shows a webhook that somebody sets up', async () => {
    const { page, context, errors } = await here.openAs(here.token, { ...SIZE, ...DARK });
    await page.goto('/#/alerts/channels/new?kind=webhook');
    await page.getByLabel('Name').fill('Incident bot');
    await page.getByLabel('Address of the webhook').fill('https://bot.example.com/meterline');
    await page.getByRole('button', { name: 'Make a secret' }).click();
    await page.getByLabel('Only some').check();
    await settled(page);
    keep('console-channel', await page.screenshot());
    expect(errors).toEqual([]);
    await context.close();
  });
});

function keep(name: string, picture: Buffer): void {
  expect(picture.length).toBeGreaterThan(20_000);
  if (isMaking) writeFileSync(join(IMAGES, `${name}.png`), picture);
}

async function settled(page: Page): Promise<void> {
  await page.waitForLoadState('networkidle');
  await page
    .getByText(/^Loading /)
    .first()
    .waitFor({ state: 'detached' });
  await page.mouse.move(0, 0);
}
