import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../support/wait.ts';
import { DARK, NARROW, STILL, describeInBrowser, violationsOf } from './browser.ts';
import { startConsoleWorld, type ConsoleWorld } from './world.ts';

/** What the policy of a page refused. */
function refusals(errors: readonly string[]): string[] {
  return errors.filter((error) => error.includes('Content Security Policy'));
}

describeInBrowser('in a real browser', () => {
  let console: ConsoleWorld;
  beforeAll(async () => {
    console = await startConsoleWorld();
  });
  afterAll(() => console.close());

  it('the page at /docs shows every route, logs no error, and loads nothing from elsewhere', async () => {
    const { page, errors, requests, elsewhere } = await console.open();
    await page.goto('/docs');
    await page.getByText('/v1/connections/{id}/rotate-key').waitFor();
    expect(await page.locator('#problems article').count()).toBeGreaterThan(15);
    expect(requests.length).toBeGreaterThan(4);
    expect(elsewhere()).toEqual([]);
    expect(errors).toEqual([]);
  });

  it('what a page asks of another host, and what its policy refuses, is noticed', async () => {
    const { page, errors, elsewhere } = await console.open();
    await page.goto('/');
    await page.evaluate('fetch("http://127.0.0.1:1/there").catch(() => undefined)');
    await page.evaluate(`setTimeout(() => { throw new Error("nobody catches this"); })`);
    await until('what the policy refused to be noticed', () => refusals(errors).length > 0);
    await until('what nobody caught to be noticed', () => errors.join().includes('nobody catches this'));
    const policyFree = await console.open({ bypassCSP: true });
    await policyFree.page.goto('/');
    await policyFree.page.evaluate('fetch("http://127.0.0.1:1/there").catch(() => undefined)');
    expect(policyFree.elsewhere()).toEqual(['http://127.0.0.1:1/there']);
    expect(elsewhere()).toEqual([]);
  });

  it('a page is looked at in the dark, on a small screen, and without motion', async () => {
    const { page } = await console.open({ ...DARK, ...NARROW, ...STILL });
    await page.goto('/');
    const matches = (query: string): Promise<unknown> => page.evaluate(`matchMedia("${query}").matches`);
    expect(await matches('(prefers-color-scheme: dark)')).toBe(true);
    expect(await matches('(prefers-reduced-motion: reduce)')).toBe(true);
    expect(await matches('(width: 360px)')).toBe(true);
  });

  it('what keeps people out of a page is told in words, and a page without it has none', async () => {
    const { page } = await console.open();
    await page.setContent('<html lang="en"><title>t</title><main><h1>T</h1><img src="data:,"></main></html>');
    expect(await violationsOf(page)).toEqual([
      expect.stringMatching(/^image-alt \(critical\): Images must have alternative text\. img: .*alt/),
    ]);
    await page.setContent('<html lang="en"><title>t</title><main><h1>T</h1></main></html>');
    expect(await violationsOf(page)).toEqual([]);
  });

  it('a page keeps its policy while it is checked', async () => {
    const { page, errors } = await console.open();
    await page.goto('/');
    await violationsOf(page);
    expect(refusals(errors)).toEqual([]);
    await page.evaluate('fetch("http://127.0.0.1:1/").catch(() => undefined)');
    await until('the policy to refuse', () => refusals(errors).length > 0);
  });

  it('Postgres, the API and the worker can be taken away, and come back', async () => {
    const status = async (): Promise<number> => (await console.send('GET', '/v1/connections')).status;
    expect(await status()).toBe(200);
    await console.cutPostgres();
    expect(await status()).toBe(503);
    await console.restorePostgres();
    await until('Postgres to be back', async () => (await status()) === 200);
    await console.stopApi();
    await expect(status()).rejects.toThrow('fetch failed');
    await console.startApi();
    expect(await status()).toBe(200);
    await console.world.stopWorker();
    const { world } = console;
    const created = await console.send('POST', '/v1/connections', { name: 'Acme', admin_api_key: world.key });
    expect(created.status).toBe(202);
    await world.startWorker();
    await until('the connection to be read', async () => {
      const { body } = await console.send('GET', '/v1/connections?status=active');
      return JSON.stringify(body).includes('"name":"Acme"');
    });
  });
});
