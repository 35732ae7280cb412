import type { Browser, BrowserContextOptions } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { NoticeContent } from '../../domain/notices/content.ts';
import { parseMailbox } from '../../domain/notices/mail.ts';
import { composeMail } from '../../notify/mail/compose.ts';
import { DARK, NARROW, describeInBrowser, openPage, startBrowser, violationsOf } from '../console/browser.ts';
import { HOSTILE, everywhere, long } from './hostile.ts';
import { REPORT, TROUBLE, WARNING, messageOf } from './messages.ts';
import { AGENT, FROM, readMail } from './smtp.ts';

const SITE = 'http://127.0.0.1:9';
const LOOKS: readonly (readonly [string, BrowserContextOptions])[] = [
  ['by day', {}],
  ['by night', DARK],
  ['on a phone', NARROW],
];
const MAILS: readonly (readonly [string, NoticeContent])[] = [
  ['a report', REPORT],
  ['trouble', TROUBLE],
  ['a warning', WARNING],
];

async function htmlOf(content: NoticeContent): Promise<string> {
  const from = parseMailbox(FROM) ?? { name: '', address: '' };
  const { bytes } = await composeMail(messageOf(content), 'ada@example.org', { from, userAgent: AGENT });
  return (await readMail(bytes.toString())).html ?? '';
}

describeInBrowser('a mail', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(() => browser.close());

  it.each(LOOKS.flatMap(([look, options]) => MAILS.map(([name, content]) => [name, look, content, options] as const)))(
    'is read by everybody, asks for nothing and is no wider than the screen: %s %s',
    async (_name, _look, content, options) => {
      const { page, context, requests, errors } = await openPage(browser, SITE, options);
      await page.setContent(await htmlOf(content));
      const [wide, screen] = [await page.evaluate('document.documentElement.scrollWidth'), page.viewportSize()?.width];
      expect(wide).toBeLessThanOrEqual(screen ?? 0);
      // A mail is part of the page of its reader, whose landmarks are its own.
      const violations = (await violationsOf(page)).filter((text) => !/^(landmark-one-main|region) /.test(text));
      expect(violations).toEqual([]);
      expect([requests, errors]).toEqual([[], []]);
      await context.close();
    },
  );

  it('shows hostile names as text, in its own form', async () => {
    const { page, context, requests, errors } = await openPage(browser, SITE, NARROW);
    for (const content of [...HOSTILE.map((text) => everywhere(text)), long(1_000)]) {
      await page.setContent(await htmlOf(content));
      // Wide tables scroll by themselves.
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360);
      expect(
        await page.evaluate('document.querySelectorAll("script, img, iframe, form, link, h1 *:not(bdi)").length'),
      ).toBe(0);
      expect(await page.evaluate('[...document.links].every(({ host }) => host === "meterline.example")')).toBe(true);
      expect(await page.evaluate('document.querySelectorAll("h1").length')).toBe(1);
    }
    expect([requests, errors]).toEqual([[], []]);
    await context.close();
  });
});
