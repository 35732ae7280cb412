import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { describeInBrowser } from './browser.ts';
import { startConsoleWorld, type ConsoleWorld } from './world.ts';

/** Everything that only an admin can do, by the words on its button. */
const CHANGES =
  /^(Connect|Read now|Rotate|Pause|Resume|Read more history|Rename|Disconnect|Delete|Create|Revoke|End|Send)/;

describeInBrowser('a viewer in the console', () => {
  let here: ConsoleWorld;
  let id: string;
  let viewer: string;
  beforeAll(async () => {
    here = await startConsoleWorld();
    const made = await here.send('POST', '/v1/connections', { name: 'Acme', admin_api_key: here.world.key });
    ({ id } = z.object({ id: z.string() }).parse(made.body));
    const token = await here.send('POST', '/v1/tokens', { name: 'reader', role: 'viewer' });
    ({ token: viewer } = z.object({ token: z.string() }).parse(token.body));
  });
  afterAll(() => here.close());

  test('sees every page and no button that changes something, while an admin sees them', async () => {
    const places = ['#/overview', '#/explore', '#/connections', `#/connections/${id}`, '#/settings'];
    const found: Record<string, string[]> = { admin: [], viewer: [] };
    for (const [role, token] of [
      ['admin', here.token],
      ['viewer', viewer],
    ] as const) {
      const { page, context } = await here.openAs(token);
      for (const place of places) {
        await page.goto(`/${place}`);
        await page.getByRole('heading', { level: 1 }).waitFor();
        await page.waitForLoadState('networkidle');
        await page
          .getByText(/^Loading /)
          .first()
          .waitFor({ state: 'detached' });
        const names = await page.locator('main button, main a, nav a').allTextContents();
        found[role]?.push(...names.filter((name) => CHANGES.test(name.trim()) && !name.startsWith('Connections')));
      }
      await context.close();
    }
    expect(found['viewer']).toEqual([]);
    expect(found['admin']).toEqual(expect.arrayContaining(['Connect', 'Pause', 'Disconnect', 'Create a token', 'End']));
  });

  test('is refused by the API, too, whatever the page shows', async () => {
    const { page, context } = await here.openAs(viewer);
    await page.goto('/#/overview');
    const asked = [
      ['POST', `/v1/connections/${id}/pause`],
      ['DELETE', `/v1/connections/${id}`],
      ['POST', '/v1/tokens'],
      ['GET', '/v1/sessions'],
    ] as const;
    const statuses: unknown[] = [];
    for (const [method, path] of asked) {
      statuses.push(await page.evaluate(`fetch('${path}', { method: '${method}' }).then(({ status }) => status)`));
    }
    expect(statuses).toEqual([403, 403, 403, 403]);
    await context.close();
  });

  test('may end the own session, and is out at once when its token is revoked', async () => {
    const { page, context } = await here.openAs(viewer);
    await page.goto('/#/overview');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Meterline' }).waitFor();
    await page.getByLabel('Or paste a token').fill(viewer);
    await page.getByRole('button', { name: 'Enter' }).click();
    await page.getByRole('navigation', { name: 'Main' }).waitFor();

    const list = z.object({ data: z.array(z.object({ id: z.string(), name: z.string() })) });
    const { data } = list.parse((await here.send('GET', '/v1/tokens')).body);
    await here.send('DELETE', `/v1/tokens/${data.find(({ name }) => name === 'reader')?.id ?? ''}`);
    await page.goto('/#/settings');
    await page.getByText('Your session is over.').waitFor();
    await context.close();
  });
});
