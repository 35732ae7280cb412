import { existsSync } from 'node:fs';
import { chromium, type Browser, type Page } from 'playwright-core';
import { z } from 'zod';
import { addDays, dayOf } from '../domain/days.ts';
import { connect } from './large.ts';
import { median, secondsSince } from './measure.ts';
import { SHAPES, withShape } from './shapes.ts';
import { number, s, table } from './text.ts';
import { deploy, type Deployment, type Servers } from './world.ts';

const MONTH = 31;
const PAINT_GOAL_S = 1;
const EXPLORE_GOAL_S = 1.5;
const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const ARGUMENTS = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking'];

/** What people look at, and how long it may take in seconds. */
const PAGES = [
  ['explore by day and model', 'day,model', EXPLORE_GOAL_S],
  ['explore by day and workspace', 'day,workspace', EXPLORE_GOAL_S],
  ['explore by workspace and token type', 'workspace,token_type', EXPLORE_GOAL_S],
  // Last: it asks more than it waits for, which would slow down what comes after it.
  ['the overview', '#/overview', null],
] as const;

/** Measures the console in a browser, on a month of the steady shape. */
export async function consoleSection(servers: Servers, runs: number): Promise<string[]> {
  const path = process.env['METERLINE_CHROMIUM'] ?? PLACES.find((place) => existsSync(place));
  if (path === undefined) return ['## The console', '', 'Not measured: this machine has no Chromium.'];
  return withShape(servers, SHAPES.steady, MONTH, async (upstream) => {
    const deployment = await deploy(servers, upstream);
    const browser = await chromium.launch({ executablePath: path, args: ARGUMENTS });
    try {
      const { lines } = await connect(deployment, upstream, MONTH);
      await deployment.sql`vacuum analyze`;
      return sectionOf(lines, await timesOf(browser, deployment, runs));
    } finally {
      await browser.close();
      await deployment.close();
    }
  });
}

function sectionOf(lines: number, rows: readonly (readonly string[])[]): string[] {
  return [
    '## The console',
    '',
    `In a browser on the same machine, with ${number(lines)} lines of ${MONTH} days: from the click until the whole page is there.`,
    'The first paint is that of a browser that has no file of the page yet.',
    '',
    ...table(['what', 'measured', 'must'], rows),
  ];
}

async function timesOf(browser: Browser, { apiUrl, token }: Deployment, runs: number): Promise<string[][]> {
  const today = dayOf(Date.now());
  const range = `from=${addDays(today, 1 - MONTH)}&to=${today}`;
  const paints: number[] = [];
  const shown = new Map<string, number[]>();
  for (let run = 0; run < runs; run += 1) {
    const context = await browser.newContext({ baseURL: apiUrl });
    const reply = await context.request.post('/v1/session', { data: { token } });
    if (!reply.ok()) throw new Error(`POST /v1/session: ${reply.status()}`);
    const page = await context.newPage();
    await page.goto('/#/connect');
    await page.getByRole('heading', { level: 1 }).waitFor();
    paints.push(await firstPaintOf(page));
    for (const [what, place] of PAGES) {
      const hash = place.startsWith('#') ? place : `#/explore?report=costs&${range}&group_by=${place}`;
      shown.set(what, [...(shown.get(what) ?? []), await secondsUntilShown(page, hash)]);
    }
    await context.close();
  }
  return [
    ['first paint', s(median(paints)), s(PAINT_GOAL_S, 1)],
    ...PAGES.map(([what, , goal]) => [what, s(median(shown.get(what) ?? [])), goal === null ? '' : s(goal, 1)]),
  ];
}

async function firstPaintOf(page: Page): Promise<number> {
  const entry = await page.evaluate('performance.getEntriesByName("first-contentful-paint")[0].startTime');
  return z.number().parse(entry) / 1000;
}

/** Goes to a place as a click does, and waits until it shows an amount and loads nothing more. */
async function secondsUntilShown(page: Page, hash: string): Promise<number> {
  const startedAt = performance.now();
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
  await page.locator('main .big, main table tfoot').first().waitFor();
  await page.locator('main [data-bar], main table tbody tr').first().waitFor();
  await page
    .getByText(/^Loading /)
    .first()
    .waitFor({ state: 'detached' });
  await page.locator('main [aria-busy="true"]').first().waitFor({ state: 'detached' });
  return secondsSince(startedAt);
}
