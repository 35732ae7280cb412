import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { openDoor } from '../../notify/door.ts';
import { httpSink, pagerDutyAt, SECRET, TO_SINKS, type HttpSink } from '../notify/sink.ts';
import { FROM, smtpSink, type Sink } from '../notify/smtp.ts';
import { until } from '../support/wait.ts';
import { DARK, describeInBrowser, NARROW, violationsOf, type Opened } from './browser.ts';
import { startConsoleWorld, type ConsoleWorld } from './world.ts';

const HOSTILE = `<img src=x onerror="document.title='hacked'"><b>Costs</b>'"&`;
const made = z.object({ id: z.string() });
const channel = z.object({
  id: z.string(),
  name: z.string(),
  kind: z.string(),
  to: z.array(z.object({ address: z.string() })),
  subscriptions: z.object({
    kinds: z.array(z.string()).nullable(),
    least_severity: z.string().nullable(),
    connections: z.array(z.string()).nullable(),
  }),
  enabled: z.boolean(),
});

describeInBrowser('alerts in the console', () => {
  let here: ConsoleWorld;
  let posts: HttpSink;
  let mails: Sink;
  let opened: Opened;
  let page: Page;
  let viewer: string;
  let connection: string;
  /** What the other side does with a message to `/lost`. */
  let lost: 'breaks off' | 'takes it' = 'breaks off';
  beforeAll(async () => {
    posts = await httpSink((request, response) => {
      if (request.url === '/lost' && lost === 'breaks off') request.socket.destroy();
      else if (request.url === '/nobody') response.writeHead(404).end('no_service');
      else if (request.url === '/v2/enqueue')
        response.writeHead(202).end('{"status":"success","message":"Event processed"}');
      else response.writeHead(200).end('ok');
    });
    mails = await smtpSink();
    const door = openDoor({
      smtp: { url: mails.url },
      mailFrom: FROM,
      allow: TO_SINKS,
      userAgent: 'Meterline/9.9.9',
      pagerDutyUrls: pagerDutyAt(`${posts.url}/v2/enqueue`),
    });
    here = await startConsoleWorld({ door, notifyAllow: TO_SINKS });
    const sent = await here.send('POST', '/v1/connections', { name: HOSTILE, admin_api_key: here.world.key });
    ({ id: connection } = made.parse(sent.body));
    await until('the days to be read', () => has(`/v1/connections/${connection}`, '"status":"active"'));
    const token = await here.send('POST', '/v1/tokens', { name: 'reader', role: 'viewer' });
    ({ token: viewer } = z.object({ token: z.string() }).parse(token.body));
    opened = await here.openAs();
    ({ page } = opened);
  });
  afterAll(async () => {
    await here.close();
    await Promise.all([posts.close(), mails.close()]);
  });

  async function has(path: string, words: string): Promise<boolean> {
    return JSON.stringify((await here.send('GET', path)).body).includes(words);
  }
  async function show(place: string, of: Page = page): Promise<void> {
    await of.goto(`/#/alerts/${place}`);
    await of.getByRole('navigation', { name: 'Parts of alerts' }).waitFor();
    await of.waitForLoadState('networkidle');
    await of
      .getByText(/^Loading /)
      .first()
      .waitFor({ state: 'detached' });
  }
  async function channelNamed(name: string): Promise<z.output<typeof channel>> {
    const { data } = z.object({ data: z.array(channel) }).parse((await here.send('GET', '/v1/channels')).body);
    const found = data.find((each) => each.name === name);
    if (found === undefined) throw new Error(`there is no channel ${name}`);
    return found;
  }
  /** Has the API make a channel, and shows its page. */
  async function showChannel(body: { name: string } & Record<string, unknown>): Promise<string> {
    const sent = await here.send('POST', '/v1/channels', body);
    expect(sent.status).toBe(201);
    const { id } = made.parse(sent.body);
    await show(`channels/${id}`);
    return id;
  }
  const region = (name: string, of: Page = page) => of.getByRole('list', { name });
  const press = (name: string | RegExp): Promise<void> => page.getByRole('button', { name }).click();

  test('says that nobody is told anything, and leads to the form', async () => {
    await show('notices');
    await page.getByText('Nobody is told anything yet.').waitFor();
    await region('The notices').getByText(`${HOSTILE} is connected`).waitFor();
    await region('The notices').getByText('No channel took it.').first().waitFor();
    await page.getByRole('link', { name: 'Create a channel' }).click();
    await page.getByRole('heading', { name: 'Create a channel' }).waitFor();
  });

  test.each([
    [
      'email',
      { 'Mail addresses, one a line': 'a@example.com\nb@example.com' },
      ['OK: queued as 4f1c', 'OK: queued as 4f1c'],
    ],
    ['slack', { 'Address of the webhook': '/services/T0/B0/x' }, ['ok']],
    ['teams', { 'Address of the webhook': '/workflows/x' }, ['ok']],
    ['webhook', { 'Address of the webhook': '/hook', Secret: SECRET }, ['ok']],
    ['pagerduty', { 'Integration key': 'c0ffee00c0ffee00c0ffee00c0ffee00' }, ['Event processed']],
  ] as const)(
    'creates a channel of the kind %s, and its test repeats the other side’s words',
    async (kind, fields, words) => {
      await show(`channels/new?kind=${kind}`);
      await page.getByLabel('Name', { exact: true }).fill(`By ${kind}`);
      for (const [label, text] of Object.entries(fields)) {
        await page.getByLabel(label, { exact: true }).fill(text.startsWith('/') ? posts.url + text : text);
      }
      await press(/^Create$/);
      await page.getByRole('heading', { name: `By ${kind} is created` }).waitFor();
      expect(await page.getByText(SECRET).count()).toBe(kind === 'webhook' ? 1 : 0);
      await press(`Test By ${kind}`);
      const answers = region('What the other side said');
      await answers
        .getByText('Sent')
        .nth(words.length - 1)
        .waitFor();
      const said = await answers.locator('q').allTextContents();
      expect(said).toHaveLength(words.length);
      words.forEach((word, index) => {
        expect(said[index]).toContain(word);
      });
      expect((await channelNamed(`By ${kind}`)).subscriptions).toEqual({
        kinds: null,
        least_severity: kind === 'pagerduty' ? 'warning' : null,
        connections: null,
      });
    },
  );

  test('names what is wrong at its field, moves there, and loses nothing that was typed', async () => {
    await show('channels/new?kind=email');
    await press(/^Create$/);
    const [name, to] = [page.getByLabel('Name', { exact: true }), page.getByLabel('Mail addresses, one a line')];
    await page.getByText('Nothing is stored. Correct what is marked above.').waitFor();
    expect(await name.getAttribute('aria-invalid')).toBe('true');
    expect(await page.locator('#channel-to-says').textContent()).toContain('It must have an address.');
    await until('the field to have the focus', () => page.evaluate('document.activeElement.id === "channel-name"'));
    await name.fill('By email');
    await to.fill('good@example.com\nno address');
    await press(/^Create$/);
    const atAddresses = page.locator('#channel-to-says');
    await atAddresses.getByText(/^no must be one mail address/).waitFor();
    expect(await to.inputValue()).toBe('good@example.com\nno address');
    await to.fill('good@example.com');
    await press(/^Create$/);
    await page.locator('#channel-name-says').getByText('It is the name of another channel.').waitFor();
    await page.goto('/#/alerts/channels/new?kind=slack');
    await page.getByLabel('Name', { exact: true }).fill('Elsewhere');
    await page.getByLabel('Address of the webhook').fill('http://10.0.0.7/hook');
    await press(/^Create$/);
    await page.locator('#channel-url-says .fault').waitFor();
    expect(await page.locator('#channel-url-says .fault').textContent()).toMatch(/^It must be an https:\/\/ address/);
  });

  test('makes a secret for a webhook, and shows it until the page is left', async () => {
    await show('channels/new?kind=webhook');
    await page.getByLabel('Name', { exact: true }).fill('Made here');
    await page.getByLabel('Address of the webhook').fill(`${posts.url}/hook`);
    await press('Make a secret');
    const secret = await page.getByLabel('The secret', { exact: true }).textContent();
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    await press(/^Create$/);
    await page.getByLabel('The secret of Made here').getByText(String(secret)).waitFor();
    await page.getByRole('link', { name: 'Go to Made here' }).click();
    await page.getByRole('heading', { name: 'Change it' }).waitFor();
    expect(await page.content()).not.toContain(secret);
  });

  test('shows the words of a side that refuses a test, and the delivery that a person must look at', async () => {
    const id = await showChannel({ name: 'Refuses', kind: 'slack', url: `${posts.url}/nobody` });
    await press('Test Refuses');
    await region('What the other side said').getByText('Failed').waitFor();
    expect(await region('What the other side said').locator('q').textContent()).toContain('no_service');
    await show(`deliveries?state=failed&channel_id=${id}`);
    const entry = region('The deliveries').getByRole('listitem');
    await entry.getByText('It was refused, or a day of tries is over.').waitFor();
    expect(await entry.locator('q').textContent()).toContain('no_service');
    await entry.getByText('tried once').waitFor();
  });

  test('sends an unknown delivery again, only after saying what may happen', async () => {
    const id = await showChannel({ name: 'Lost', kind: 'slack', url: `${posts.url}/lost` });
    await press('Test Lost');
    await region('What the other side said').getByText('Unknown').waitFor();
    await show(`deliveries?channel_id=${id}`);
    lost = 'takes it';
    const before = posts.heard.filter(({ url }) => url === '/lost').length;
    const again = 'Send “Test of the channel Lost” again';
    await press(again);
    const dialog = page.getByRole('dialog');
    await dialog.getByText('Its message may have arrived already. If it did, it arrives a second time.').waitFor();
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    expect(posts.heard.filter(({ url }) => url === '/lost')).toHaveLength(before);
    await press(again);
    await dialog.getByRole('button', { name: again }).click();
    await region('The deliveries').getByText('Sent', { exact: true }).waitFor();
    expect(await page.getByRole('button', { name: again }).count()).toBe(0);
    expect(posts.heard.filter(({ url }) => url === '/lost')).toHaveLength(before + 1);
  });

  test('changes what a channel takes and where it leads, and only that', async () => {
    await showChannel({ name: 'Choosy', kind: 'email', to: ['a@example.com'] });
    await page.getByLabel('Only some').check();
    await page.getByLabel(/^Restated/).check();
    await page.getByLabel(/^Connection in trouble/).check();
    await page.getByLabel('At least as urgent as').selectOption('warning');
    await page.getByLabel(HOSTILE).check();
    await page.getByLabel('Mail addresses, one a line').fill('a@example.com\nc@example.com');
    await press('Save');
    await page.getByText('It is saved.').waitFor();
    expect(await channelNamed('Choosy')).toMatchObject({
      to: [{ address: 'a@example.com' }, { address: 'c@example.com' }],
      subscriptions: {
        kinds: ['connection_trouble', 'restated'],
        least_severity: 'warning',
        connections: [connection],
      },
    });
    await page
      .getByText('Takes Connection in trouble, Restated; warnings and worse only; of one connection.')
      .waitFor();
    await page.getByLabel('Every notice').check();
    await press('Save');
    await page.getByText('Takes every notice.').waitFor();
    expect((await channelNamed('Choosy')).subscriptions).toEqual({
      kinds: null,
      least_severity: null,
      connections: null,
    });
  });

  test('disables, enables and deletes a channel', async () => {
    const id = await showChannel({ name: 'Short-lived', kind: 'slack', url: `${posts.url}/x` });
    await press('Disable Short-lived');
    await page.getByRole('dialog').getByRole('button', { name: 'Disable Short-lived' }).click();
    await page.getByText('Disabled', { exact: true }).waitFor();
    expect(await page.getByRole('button', { name: 'Test Short-lived' }).isDisabled()).toBe(true);
    await press('Enable');
    await page.getByText('Enabled', { exact: true }).waitFor();
    expect((await channelNamed('Short-lived')).enabled).toBe(true);
    await press('Delete Short-lived');
    await page.getByRole('dialog').getByRole('button', { name: 'Delete Short-lived' }).click();
    await page.getByRole('heading', { name: 'Channels' }).waitFor();
    expect((await here.send('GET', `/v1/channels/${id}`)).status).toBe(404);
  });

  test('creates a report, tells it at once, changes it and deletes it', async () => {
    await show('reports');
    await page.getByText('No report is told yet.').waitFor();
    await page.getByRole('link', { name: 'Create a report' }).click();
    await press(/^Create$/);
    await page.locator('#report-name-says .fault').waitFor();
    await page.getByLabel('Name', { exact: true }).fill(HOSTILE);
    await page.getByLabel('When').selectOption('monthly');
    await page.getByLabel('At', { exact: true }).selectOption('7');
    await page.getByLabel('In the time zone').selectOption('Europe/Berlin');
    await page.getByLabel('Costs by').selectOption('workspace');
    await page.getByLabel('then by').selectOption('model');
    await press('+ filter');
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Only lines whose').selectOption('cost_type');
    await dialog.getByLabel('tokens', { exact: false }).first().check();
    await dialog.getByRole('button', { name: 'Take it' }).click();
    await page.getByLabel('Only these channels, whatever they take').check();
    await page.getByLabel('By email').check();
    await press(/^Create$/);
    const entry = region('The reports').getByRole('listitem').first();
    await entry.getByText('On the first of every month at 07:00, Europe/Berlin').waitFor();
    await entry.getByText('Costs by workspace, then model, where cost type is tokens.').waitFor();
    await entry.getByText(/Next run 1 .*, 0[56]:00 UTC/).waitFor();
    await press(`Run ${HOSTILE} now`);
    await entry.getByText(/ goes to 2 addresses\. A period is told once\.$/).waitFor();
    await entry.getByText(/^Told .* last, /).waitFor();
    await entry.getByRole('link', { name: HOSTILE }).click();
    await page.getByLabel('When').selectOption('daily');
    await press('Save');
    await entry.getByText('Every day at 07:00, Europe/Berlin').waitFor();
    await press(`Delete ${HOSTILE}`);
    await page
      .getByRole('dialog')
      .getByRole('button', { name: `Delete ${HOSTILE}` })
      .click();
    await page.getByText('No report is told yet.').waitFor();
  });

  test('a session that ends while somebody writes costs them nothing but secrets', async () => {
    const other = await here.openAs();
    await show('channels/new?kind=slack', other.page);
    await other.page.getByLabel('Name', { exact: true }).fill('Half written');
    await other.page.getByLabel('Address of the webhook').fill(`${posts.url}/x`);
    await other.context.clearCookies();
    await other.page.getByRole('button', { name: 'Create' }).click();
    await other.page.getByText('Your session is over.').waitFor();
    await other.page.getByLabel('Or paste a token').fill(here.token);
    await other.page.getByRole('button', { name: 'Enter' }).click();
    await other.page.getByRole('heading', { name: 'Create a channel' }).waitFor();
    expect(await other.page.getByLabel('Name', { exact: true }).inputValue()).toBe('Half written');
    expect(await other.page.getByLabel('Address of the webhook').inputValue()).toBe('');
    await other.context.close();
  });

  describe('once a key is rejected', () => {
    beforeAll(async () => {
      await here.send('POST', '/v1/channels', { name: HOSTILE, kind: 'email', to: ['hostile@example.com'] });
      here.world.simulator.control.setKeyState(here.world.key, 'revoked');
      await here.send('POST', `/v1/connections/${connection}/sync`, {});
      await until('the trouble to be told', () => has('/v1/notices?state=open', 'connection_trouble'), 90_000);
      await until('a mail', () => mails.mails.some(({ to }) => to.includes('hostile@example.com')), 90_000);
      const hook = { kind: 'webhook', url: `${posts.url}/hook`, secret: SECRET };
      await here.send('POST', '/v1/channels', { name: 'Pages', ...hook, subscriptions: { kinds: ['test'] } });
      const { id } = await channelNamed('Pages');
      await here.send('POST', `/v1/channels/${id}/test`, {});
    });

    test('the notice stands first, says what to do and who was told, and the navigation counts it', async () => {
      await page.goto('/#/overview');
      await page.reload();
      await show('notices');
      const first = region('The open notices').getByRole('listitem').first();
      await first.getByText('Critical').waitFor();
      await first.getByRole('heading', { name: `${HOSTILE} needs another Admin key` }).waitFor();
      await first.getByText('What to do:').waitFor();
      await first.getByText(/^To whom: /).click();
      await first.getByText(`hostile@example.com (${HOSTILE})`).waitFor();
      await page.getByRole('navigation', { name: 'Main' }).getByText('open notice').waitFor();
      await first.getByRole('link', { name: 'Open the connection' }).click();
      await page.waitForURL(`**/#/connections/${connection}`);
      expect(await page.title()).not.toContain('hacked');
    });

    test('the overview shows it once, and leads to who was told', async () => {
      await page.goto('/#/overview');
      await page.getByText(`${HOSTILE} waits for a key`).waitFor();
      expect(await page.getByText(`${HOSTILE} needs another Admin key`).count()).toBe(0);
      await page.getByRole('link', { name: 'See the open notice, and who was told' }).click();
      await page.getByRole('heading', { name: 'Needs a person' }).waitFor();
    });

    test('a viewer sees all of it, and nothing that changes something', async () => {
      const { page: seen, context } = await here.openAs(viewer);
      const { id } = await channelNamed('Pages');
      const buttons: string[] = [];
      for (const place of ['notices', 'channels', `channels/${id}`, 'deliveries', 'reports']) {
        await show(place, seen);
        buttons.push(...(await seen.locator('main button').allTextContents()));
        expect(await seen.locator('main form, main a[href*="/new"]').count()).toBe(0);
      }
      expect(buttons.filter((name) => name !== 'More')).toEqual([]);
      await show('channels/new', seen);
      await seen.getByText('An admin of this Meterline must do this.').waitFor();
      await context.close();
    });

    test('filters by kind and state are in the address, and the list goes on page by page', async () => {
      await show('notices');
      await page.getByLabel('Kind').selectOption('test');
      await page.waitForURL('**/#/alerts/notices?kind=test');
      await page.getByLabel('State').selectOption('closed');
      await page.waitForURL('**/#/alerts/notices?kind=test&state=closed');
      await region('The notices').getByText('Test of the channel Pages').first().waitFor();
      await page.getByLabel('State').selectOption('withdrawn');
      await page.getByText('No notice is like this.').waitFor();
      const { id } = await channelNamed('Pages');
      for (let tests = 0; tests < 20; tests += 1) await here.send('POST', `/v1/channels/${id}/test`, {});
      await show(`deliveries?channel_id=${id}`);
      expect(await region('The deliveries').locator(':scope > li').count()).toBe(20);
      await press('More');
      await until('the next page', async () => (await region('The deliveries').locator(':scope > li').count()) > 20);
    });

    describe.each([
      ['in the light', {}],
      ['in the dark', DARK],
      ['on a small screen', NARROW],
    ])('%s', (_, options) => {
      test('has nothing that keeps people out, no name that acts as code, and no page wider than the screen', async () => {
        const { page: seen, context, errors } = await here.openAs(here.token, options);
        const { id } = await channelNamed(HOSTILE);
        const places = ['notices', 'channels', 'deliveries', 'reports', 'reports/new', `channels/${id}`, 'moon'];
        const forms = ['email', 'webhook', 'pagerduty'].map((kind) => `channels/new?kind=${kind}`);
        for (const place of [...places, ...forms]) {
          await show(place, seen);
          if (place.endsWith('webhook')) await seen.getByRole('button', { name: 'Make a secret' }).click();
          for (const summary of await seen.locator('details > summary').all()) await summary.click();
          await seen.waitForLoadState('networkidle');
          expect([place, await violationsOf(seen)]).toEqual([place, []]);
          expect([place, await seen.title()]).toEqual([place, 'Alerts · Meterline']);
          const excess = await seen.evaluate('document.documentElement.scrollWidth - innerWidth');
          expect([place, excess]).toEqual([place, 0]);
        }
        expect(errors).toEqual([]);
        await context.close();
      });
    });
  });
});
