import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from 'playwright-core';
import { describe, inject } from 'vitest';
import { z } from 'zod';

/** Whether this machine has a browser. `npm test` counts the tests that it skips without one. */
const hasBrowser = inject('chromium') !== null;
/** A busy machine may need as long as this to show a page. */
const PATIENCE_MS = 60_000;
const TEST_TIMEOUT_MS = 180_000;

/** Tests that need a browser. */
export function describeInBrowser(name: string, tests: () => void): void {
  describe.skipIf(!hasBrowser)(name, { timeout: TEST_TIMEOUT_MS }, tests);
}

/** Root has no sandbox here, and the browser itself must ask nobody anything. */
const ARGUMENTS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
];

/** Starts the browser that this run found. Throws without one. */
export async function startBrowser(): Promise<Browser> {
  const found = inject('chromium');
  if (found === null) throw new Error('there is no browser on this machine');
  return chromium.launch({
    executablePath: found.path,
    args: ARGUMENTS,
    env: { ...process.env, ...found.env },
    headless: true,
    timeout: PATIENCE_MS,
  });
}

/** How pages may be looked at. Spread several into one. */
export const DARK: BrowserContextOptions = { colorScheme: 'dark' };
export const NARROW: BrowserContextOptions = { viewport: { width: 360, height: 740 } };
export const STILL: BrowserContextOptions = { reducedMotion: 'reduce' };

/** A page with all that happened in it, and in the pages that it opened, since it began. */
export interface Opened {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What went to the console as an error, and what no script caught. The browser reports refused files and requests too. */
  readonly errors: readonly string[];
  /** The address of everything that was asked for. */
  readonly requests: readonly string[];
  /** Those of {@link requests} that another host, or another port of this one, would answer. */
  readonly elsewhere: () => string[];
}

/** Opens an empty page of a site, with cookies and storage of its own. */
export async function openPage(browser: Browser, site: string, options: BrowserContextOptions = {}): Promise<Opened> {
  const context = await browser.newContext({ baseURL: site, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const errors: string[] = [];
  const requests: string[] = [];
  context.on('console', (message) => {
    if (message.type() === 'error') errors.push(`${message.text()} (${message.location().url})`);
  });
  context.on('weberror', (error) => errors.push(error.error().stack ?? error.error().message));
  context.on('request', (request) => requests.push(request.url()));
  const { origin } = new URL(site);
  const elsewhere = (): string[] =>
    requests.filter((address) => !/^(?:data|blob|about):/.test(address) && new URL(address).origin !== origin);
  return { page: await context.newPage(), context, errors, requests, elsewhere };
}

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const results = z.object({
  violations: z.array(
    z.object({
      id: z.string(),
      impact: z.string().nullable(),
      help: z.string(),
      nodes: z.array(z.object({ target: z.array(z.unknown()), failureSummary: z.string().optional() })),
    }),
  ),
});

/**
 * What axe-core finds in a page as it is now: a line for each element, with the rule, what it asks for and what is wrong.
 * It runs in the page as a debugger does, so the page keeps its policy.
 */
export async function violationsOf(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const { violations } = results.parse(await page.evaluate('axe.run({ resultTypes: ["violations"] })'));
  return violations.flatMap(({ id, impact, help, nodes }) =>
    nodes.map(({ target, failureSummary = '' }) => {
      const wrong = failureSummary.split('\n').slice(1).join(' ').replaceAll(/\s+/g, ' ').trim();
      return `${id} (${impact ?? 'unknown'}): ${help}. ${target.map(String).join(' ')}: ${wrong}`;
    }),
  );
}
