import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, BrowserContextOptions } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { NoticeContent } from '../../domain/notices/content.ts';
import { contentOf, NOTICE_KINDS, type NoticeKind } from '../../domain/notices/kinds.ts';
import { parseMailbox } from '../../domain/notices/mail.ts';
import { composeMail } from '../../notify/mail/compose.ts';
import { DARK, NARROW, describeInBrowser, openPage, startBrowser, violationsOf } from '../console/browser.ts';
import { messageOf } from './messages.ts';
import { SAMPLES } from './samples.ts';
import { AGENT, FROM, readMail } from './smtp.ts';

/** With METERLINE_PICTURES=1, the pictures of the documents are made anew. */
const isMaking = process.env['METERLINE_PICTURES'] === '1';
const IMAGES = join(import.meta.dirname, '../../docs/images');
const LOOKS: Readonly<Record<string, BrowserContextOptions>> = {
  light: { viewport: { width: 680, height: 500 } },
  dark: { viewport: { width: 680, height: 500 }, ...DARK },
  phone: NARROW,
};
/** Those that docs/notices.md shows. */
const SHOWN = ['connected light', 'connection_trouble dark'];

function contentFor(kind: NoticeKind): NoticeContent {
  return contentOf(kind, SAMPLES[kind]);
}

describeInBrowser('the pictures of mails', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(() => browser.close());

  test.each(NOTICE_KINDS.flatMap((kind) => Object.keys(LOOKS).map((look) => [kind, look] as const)))(
    '%s fits the screen and is read by everybody: %s',
    async (kind, look) => {
      const from = parseMailbox(FROM) ?? { name: '', address: '' };
      const { bytes } = await composeMail(messageOf(contentFor(kind)), 'ada@example.org', { from, userAgent: AGENT });
      const { page, context } = await openPage(browser, 'http://127.0.0.1:9', LOOKS[look]);
      await page.setContent((await readMail(bytes.toString())).html ?? '');
      const screen = page.viewportSize()?.width ?? 0;
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(screen);
      // Whoever reads a mail does not look for what a table hides.
      const hides = `[...document.querySelectorAll('[tabindex]')].some((box) => box.scrollWidth > box.clientWidth)`;
      expect(await page.evaluate(hides)).toBe(false);
      // A mail is part of the page of its reader, whose landmarks are its own.
      const violations = (await violationsOf(page)).filter((text) => !/^(landmark-one-main|region) /.test(text));
      expect(violations).toEqual([]);
      const picture = await page.screenshot({ fullPage: true });
      expect(picture.length).toBeGreaterThan(5_000);
      if (isMaking && SHOWN.includes(`${kind} ${look}`)) {
        writeFileSync(join(IMAGES, `mail-${kind.replaceAll('_', '-')}.png`), picture);
      }
      await context.close();
    },
  );
});
