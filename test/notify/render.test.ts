import { createRequire } from 'node:module';
import type { KnownBlock } from '@slack/types';
import fc from 'fast-check';
import markdownIt from 'markdown-it';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { z } from 'zod';
import { parseMailbox } from '../../domain/notices/mail.ts';
import { composeMail, MAX_MAIL_BYTES } from '../../notify/mail/compose.ts';
import { columnsOf } from '../../notify/render/columns.ts';
import { escapeHtml } from '../../notify/render/mail-html.ts';
import { PAGERDUTY_LIMITS, pagerDutyEvent } from '../../notify/render/pagerduty.ts';
import { SLACK_LIMITS, escapeSlack, slackMessage, type SlackMessage } from '../../notify/render/slack.ts';
import { MAX_TEAMS_BYTES, escapeMarkdown, teamsMessage } from '../../notify/render/teams.ts';
import { WEBHOOK_SCHEMA, webhookBody } from '../../notify/render/webhook.ts';
import { line } from '../../notify/text.ts';
import { HOSTILE, everywhere, long } from './hostile.ts';
import { REPORT, TROUBLE, WARNING, messageOf } from './messages.ts';
import { ROUTING_KEY } from './sink.ts';
import { AGENT, FROM, readMail } from './smtp.ts';

const from = parseMailbox(FROM) ?? { name: '', address: '' };
const CONTENTS = [REPORT, TROUBLE, WARNING, long(3), long(1_000), ...HOSTILE.map((text) => everywhere(text))];
const names = (content: { subject: string }): string => JSON.stringify(content.subject.slice(0, 40));
const CASES = CONTENTS.map((content) => [names(content), content] as const);
/** Anything, and often what a syntax is made of. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.constantFrom(...Array.from('*_~`[](){}<>!#&;:|\\/-+=. a1\n"\'@$%')) }),
  fc.constantFrom(...HOSTILE),
);

describe('a line', () => {
  it('is one line that hides nothing, turns nothing and is as short as it must be', () => {
    fc.assert(
      fc.property(anyText, fc.integer({ min: 1, max: 300 }), (text, length) => {
        const made = line(text, length);
        expect(made.length).toBeLessThanOrEqual(length);
        expect(made).not.toMatch(
          /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/,
        );
        expect(made).toBe(made.trim());
        expect(Buffer.from(made).toString()).toBe(made);
        expect(line(made, length)).toBe(made);
      }),
    );
  });

  it('keeps what people write in any language, and emoji whole', () => {
    for (const text of ['Größe 東京 русский العربية हिन्दी', '👩‍👩‍👧‍👦 👍🏽 🇨🇭', "O'Neil & Söhne <AG>"])
      expect(line(text, 100)).toBe(text);
    expect(line('👍👍👍', 4)).toBe('👍…');
  });
});

describe('an escaped text', () => {
  it('is in HTML what it was, and no tag', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const html = escapeHtml(text);
        expect(html).not.toMatch(/[<>"']/);
        const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" };
        expect(html.replaceAll(/&(.*?);/g, (_all, name: string) => entities[name] ?? '')).toBe(text);
      }),
    );
  });

  it('is in Slack no mention, no link, no code and no formatting', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const slack = escapeSlack(line(text, 200));
        expect(slack).not.toMatch(/[<>`]|&(?!amp;|lt;|gt;)/);
        expect(slack).not.toMatch(/(?<![\p{L}\p{N}])[*_~]|[*_~](?![\p{L}\p{N}])/u);
      }),
    );
    expect(escapeSlack('claude_opus_4 <!channel>')).toBe('claude_opus_4 &lt;!channel&gt;');
  });

  it('is in Markdown what it was, and nothing but text', () => {
    const markdown = markdownIt('commonmark').enable(['strikethrough', 'table']);
    fc.assert(
      fc.property(anyText, (text) => {
        const plain = line(text, 200);
        const tokens = markdown.parse(escapeMarkdown(plain), {});
        expect(tokens.map(({ type }) => type)).toEqual(
          plain === '' ? [] : ['paragraph_open', 'inline', 'paragraph_close'],
        );
        const children = tokens.flatMap(({ children: inner }) => inner ?? []);
        expect(children.every(({ type }) => ['text', 'text_special'].includes(type))).toBe(true);
        expect(children.map(({ content }) => content).join('')).toBe(plain);
      }),
      { numRuns: 500 },
    );
    expect(escapeMarkdown('Customer support (Zürich) – R&D')).toBe('Customer support (Zürich) – R&D');
  });
});

describe('columns', () => {
  it('are aligned, numbers to the right, whatever the characters', () => {
    const columns = [
      { name: 'Name', isNumber: false },
      { name: 'USD', isNumber: true },
    ];
    expect(
      columnsOf(
        {
          columns,
          rows: [
            ['東京', '1.50'],
            ['a', '1,234.00'],
            ['👍', '0.10'],
          ],
        },
        20,
      ),
    ).toEqual(['Name       USD', '────  ────────', '東京      1.50', 'a     1,234.00', '👍        0.10']);
  });
});

describe('a mail', () => {
  const compose = async (content: (typeof CONTENTS)[number]): Promise<string> =>
    (await composeMail(messageOf(content), 'ada@example.org', { from, userAgent: AGENT })).bytes.toString();

  it.each(CASES)('of %s is at most 100 kB, and has its header lines and no other', async (_name, content) => {
    const source = await compose(content);
    expect(Buffer.byteLength(source)).toBeLessThanOrEqual(MAX_MAIL_BYTES);
    const [head = ''] = source.split('\r\n\r\n');
    expect([...head.matchAll(/^([\w-]+):/gm)].map(([, name]) => name).sort()).toEqual(
      [
        'Auto-Submitted',
        'Content-Type',
        'Date',
        'From',
        'List-Unsubscribe',
        'List-Unsubscribe-Post',
        'MIME-Version',
        'Message-ID',
        'Subject',
        'To',
        'X-Auto-Response-Suppress',
        'X-Mailer',
      ].sort(),
    );
    expect(source).not.toMatch(/(?<!\r)\n|\r(?!\n)/);
    for (const text of source.split('\r\n')) expect(text.length).toBeLessThanOrEqual(998);
    const mail = await readMail(source);
    expect(mail.subject ?? '').toBe(line(content.subject, 180).replaceAll('=?', '=？') || 'Meterline');
    expect(mail.attachments).toEqual([]);
    expect(mail.html).not.toMatch(/<(script|img|h1>Gone|link|iframe|form)|<[^>]*\s(src|on\w+)=/i);
  });

  it('asks no other host for anything, and leads to no other', async () => {
    for (const content of CONTENTS) {
      const { html = '' } = await readMail(await compose(content));
      const addresses = [...html.matchAll(/(?:href|src|action|background)\s*=\s*"([^"]*)"/gi)].map(
        ([, address = '']) => address,
      );
      expect(addresses.length).toBeGreaterThan(1);
      for (const address of addresses) expect(new URL(address).host).toBe('meterline.example');
    }
  });

  it('says in words what it leaves out', async () => {
    const { text = '', html = '' } = await readMail(await compose(long(1_000)));
    for (const twin of [text, html]) {
      expect(twin).toMatch(/\d+ more rows and \d more columns not shown here\./);
      expect(twin).toMatch(/\d+ more facts and \d more tables? not shown here\./);
    }
    const { text: all = '' } = await readMail(await compose(REPORT));
    expect(all).not.toContain('not shown');
  });

  it('has a name in Unicode as its sender', async () => {
    const sender = {
      from: parseMailbox('Zähler "ö" <m@example.com>') ?? parseMailbox('"Zähler, Größe" <m@example.com>') ?? from,
      userAgent: AGENT,
    };
    const { bytes } = await composeMail(messageOf(REPORT), 'дмитрий@münchen.example', sender);
    const mail = await readMail(bytes.toString());
    expect(mail.from).toMatchObject({ name: 'Zähler, Größe', address: 'm@example.com' });
    expect(mail.to).toMatchObject([
      { address: expect.stringMatching(/@(münchen|xn--mnchen-3ya)\.example$/) as string },
    ]);
  });
});

/** Readonly arrays are no arrays for Slack's types. */
type Mutable<T> = T extends readonly (infer E)[]
  ? Mutable<E>[]
  : T extends object
    ? { -readonly [K in keyof T]: Mutable<T[K]> }
    : T;

describe('a message to Slack', () => {
  const text = (max: number): z.ZodType =>
    z.strictObject({ type: z.literal('mrkdwn'), text: z.string().min(1).max(max), verbatim: z.literal(true) });
  const url = z.url({ protocol: /^https$/ }).max(SLACK_LIMITS.url);
  const button = z.strictObject({
    type: z.literal('button'),
    text: z.strictObject({ type: z.literal('plain_text'), text: z.string().max(75), emoji: z.literal(false) }),
    url,
    style: z.enum(['primary', 'danger']),
  });
  /** The limits that Slack documents. */
  const message = z.strictObject({
    text: z.string().min(1).max(4_000),
    unfurl_links: z.literal(false),
    unfurl_media: z.literal(false),
    blocks: z
      .array(
        z.union([
          z.strictObject({ type: z.literal('section'), text: text(3_000) }),
          z.strictObject({ type: z.literal('section'), fields: z.array(text(2_000)).min(1).max(10) }),
          z.strictObject({ type: z.literal('context'), elements: z.array(text(3_000)).min(1).max(10) }),
          z.strictObject({ type: z.literal('actions'), elements: z.array(button).min(1).max(25) }),
        ]),
      )
      .min(1)
      .max(50),
  });

  it('has the types of Slack', () => {
    expectTypeOf<Mutable<SlackMessage['blocks']>>().toExtend<KnownBlock[]>();
  });

  it.each(CASES)('of %s keeps the limits, and mentions nobody', (_name, content) => {
    const made = slackMessage(messageOf(content));
    expect(message.safeParse(made).error?.issues ?? []).toEqual([]);
    expect(JSON.stringify(made)).not.toMatch(/<|>/);
    const { text: spoken, blocks } = made;
    const written = blocks.flatMap((block) =>
      block.type === 'section' ? ('fields' in block ? block.fields : [block.text]) : [],
    );
    for (const words of [spoken, ...written.map((one) => one.text)]) {
      expect(words.replace(/```\n[^`]*\n```$/, '')).not.toContain('`');
    }
  });

  it('aligns numbers, and says what it leaves out', () => {
    const [table] = /```.*?```/.exec(JSON.stringify(slackMessage(messageOf(REPORT)))) ?? [];
    expect(table?.split(String.raw`\n`).slice(1, -1)).toEqual([
      'Workspace                   November      Change',
      '─────────────────────────  ─────────  ──────────',
      'Research                   $6,120.40  +$1,015.22',
      'Default workspace          $3,904.00     +$88.13',
      'Customer support (Zürich)  $1,981.02     −$12.00',
      'Évaluations &amp; QA             $402.75    +$113.20',
    ]);
    expect(JSON.stringify(slackMessage(messageOf(long(1_000))))).toMatch(
      /\d+ more rows and \d more columns not shown here/,
    );
  });
});

interface Validation {
  readonly eventCount: number;
  getEventAt(index: number): { readonly message: string };
}
interface AdaptiveCards {
  readonly SerializationContext: new () => Validation;
  readonly AdaptiveCard: new () => { parse(card: unknown, context: Validation): void };
}

describe('a message to Teams', () => {
  // The package's module does not load in Node.
  const cards = createRequire(import.meta.url)('adaptivecards/dist/adaptivecards.js') as AdaptiveCards;
  /** What the official parser objects to. */
  const objections = (card: unknown): string[] => {
    const context = new cards.SerializationContext();
    new cards.AdaptiveCard().parse(card, context);
    return Array.from({ length: context.eventCount }, (_, at) => context.getEventAt(at).message);
  };

  it.each(CASES)(
    'of %s is a card to which the official parser has no objection, and small enough',
    (_name, content) => {
      const made = teamsMessage(messageOf(content));
      expect(Buffer.byteLength(JSON.stringify(made))).toBeLessThanOrEqual(MAX_TEAMS_BYTES);
      expect(made).toMatchObject({
        type: 'message',
        attachments: [{ contentType: 'application/vnd.microsoft.card.adaptive' }],
      });
      expect(objections(made.attachments[0].content)).toEqual([]);
    },
  );

  it('would get objections for a wrong card', () => {
    expect(
      objections({
        type: 'AdaptiveCard',
        version: '1.5',
        body: [{ type: 'Tabel' }, { type: 'TextBlock', text: 'x', size: 'huge' }],
      }),
    ).toHaveLength(2);
  });

  it('aligns numbers, and says what it leaves out', () => {
    const { body } = teamsMessage(messageOf(REPORT)).attachments[0].content;
    expect(JSON.stringify(body)).toContain('"text":"$6,120.40","wrap":true,"horizontalAlignment":"right"');
    expect(JSON.stringify(teamsMessage(messageOf(long(1_000))))).toMatch(/more (rows|tables)[^"]* not shown here/);
  });
});

describe('an event for PagerDuty', () => {
  /** The limits that PagerDuty documents. */
  const event = z.strictObject({
    routing_key: z.string().length(32),
    dedup_key: z.string().min(1).max(255),
    event_action: z.literal('trigger'),
    client: z.string(),
    client_url: z.url(),
    links: z.array(z.strictObject({ href: z.url(), text: z.string() })),
    payload: z.strictObject({
      summary: z.string().max(1_024),
      source: z.string().min(1),
      severity: z.enum(['critical', 'error', 'warning', 'info']),
      timestamp: z.iso.datetime(),
      component: z.string(),
      class: z.string(),
      custom_details: z.record(z.string(), z.string()),
    }),
  });

  it.each(CASES)('of %s keeps the limits', (_name, content) => {
    const made = pagerDutyEvent(messageOf(content, { dedupeKey: 'k'.repeat(400) }), ROUTING_KEY);
    expect(event.safeParse(made).error?.issues ?? []).toEqual([]);
    expect(Buffer.byteLength(JSON.stringify(made))).toBeLessThanOrEqual(PAGERDUTY_LIMITS.bytes);
  });
});

it('the body of a webhook has the form of its schema', () => {
  const schema = z.fromJSONSchema({ ...WEBHOOK_SCHEMA, required: [...WEBHOOK_SCHEMA.required] });
  for (const content of CONTENTS) {
    expect(schema.safeParse(JSON.parse(webhookBody(messageOf(content)))).error?.issues ?? []).toEqual([]);
  }
  expect(schema.safeParse({ type: 'report', timestamp: 'now', data: {} }).success).toBe(false);
});
