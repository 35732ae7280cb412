import { describe, expect, it } from 'vitest';
import { toDecimal } from '../../domain/money.ts';
import { parseMailbox } from '../../domain/notices/mail.ts';
import { contentOf } from '../../domain/notices/kinds.ts';
import type { NoticeContent } from '../../domain/notices/content.ts';
import { composeMail } from '../../notify/mail/compose.ts';
import { slackMessage } from '../../notify/render/slack.ts';
import { HOSTILE } from './hostile.ts';
import { messageOf } from './messages.ts';
import { AGENT, FROM, readMail } from './smtp.ts';

const from = parseMailbox(FROM) ?? { name: '', address: '' };

/** A report whose name and workspace somebody chose. */
function reportOn(text: string): NoticeContent {
  const days = { missing: [], unfinished: [], uncovered: [], provisional: [], flagged: [] };
  const group = { names: [text], amount: toDecimal('1.5'), before: toDecimal('1'), change: toDecimal('0.5') };
  return contentOf('report', {
    report: { id: '0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b', name: text },
    every: 'daily',
    time_zone: 'UTC',
    // A stored query is whole text.
    query: { group_by: ['workspace'], workspace: [Buffer.from(text).toString()] },
    group_by: ['workspace'],
    from: '2026-10-31',
    to: '2026-10-31',
    total: toDecimal('1.5'),
    days,
    before: { from: '2026-10-30', to: '2026-10-30', total: toDecimal('1'), days },
    change: toDecimal('0.5'),
    change_percent: toDecimal('50'),
    why: null,
    groups: [group],
    other: null,
    movers: [group],
    other_currencies: [],
  });
}

describe('a report on a workspace with a hostile name', () => {
  it.each(HOSTILE.map((text) => [JSON.stringify(text.slice(0, 40)), text] as const))(
    '%s is a mail without tags of theirs, and calls nobody in Slack',
    async (_title, text) => {
      const message = messageOf(reportOn(text));
      const { bytes } = await composeMail(message, 'ada@example.org', { from, userAgent: AGENT });
      const mail = await readMail(bytes.toString());
      expect(String(mail.html)).not.toMatch(/<(?:script|img|h1>Another)/i);
      expect(bytes.toString()).not.toMatch(/^Bcc:|^X-Header:/m);
      expect(JSON.stringify(slackMessage(message))).not.toMatch(/<!(?:channel|here)|<@U012/);
      const { link } = message.content;
      expect(link?.path).toMatch(/^\/#\/explore(?:\?[\x21-\x7e]*)?$/);
    },
  );
});
