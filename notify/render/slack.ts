import type { Severity } from '../../domain/notices/content.ts';
import type { Message } from '../delivery.ts';
import { addressOf, cut, fitting, shown, type Limits, type ShownNotice, type ShownTable } from '../text.ts';
import { columnsOf } from './columns.ts';
import { instant } from './places.ts';

/** Slack's limits: characters of a section, of a field and of a button, fields of a section, blocks of a message. */
export const SLACK_LIMITS = { section: 3_000, field: 2_000, button: 75, url: 3_000, fields: 10, blocks: 50 } as const;

/** A text of Slack. `verbatim` makes no links and no mentions of what looks like one. */
interface Mrkdwn {
  readonly type: 'mrkdwn';
  readonly text: string;
  readonly verbatim: true;
}

type Block =
  | { readonly type: 'section'; readonly text: Mrkdwn }
  | { readonly type: 'section'; readonly fields: readonly Mrkdwn[] }
  | { readonly type: 'context'; readonly elements: readonly Mrkdwn[] }
  | { readonly type: 'actions'; readonly elements: readonly Button[] };

interface Button {
  readonly type: 'button';
  readonly text: { readonly type: 'plain_text'; readonly text: string; readonly emoji: false };
  readonly url: string;
  readonly style?: 'primary' | 'danger';
}

/** The body of a request to an incoming webhook of Slack. */
export interface SlackMessage {
  /** What notifications show, and readers of screens say. */
  readonly text: string;
  readonly blocks: readonly Block[];
  readonly unfurl_links: false;
  readonly unfurl_media: false;
}

const FULL: Limits = { facts: 20, tables: 4, columns: 5, rows: 20, cell: 120, subject: 250, sentence: 1_000 };
const FORMS = [FULL, { ...FULL, rows: 10 }, { ...FULL, tables: 2, rows: 5, columns: 3, cell: 80, sentence: 400 }];
/** An escaped character takes up to five. */
const LONGEST_ESCAPE = 5;
/** Room for the lines of a table, beside its title. */
const TABLE_ROOM = SLACK_LIMITS.section - 400;
const [SUBJECT_ROOM, SENTENCE_ROOM, TITLE_ROOM] = [1_000, 2_500, 300];
const WIDEST_CELL = 28;
const MARKS: Readonly<Record<Severity, string>> = { info: '', warning: '⚠️ ', critical: '🔴 ' };

/** Characters that format a text at the edge of a word, and others that look like them and do nothing. */
const LOOKALIKES: Readonly<Record<string, string>> = { '*': '∗', _: '＿', '~': '∼', '`': 'ˋ' };
const FORMATTING = /(?<![\p{L}\p{N}])[*_~]|[*_~](?![\p{L}\p{N}])|`/gu;

/** Writes a text into mrkdwn: no mention, no link, no formatting. */
export function escapeSlack(text: string): string {
  return escaped(text).replaceAll(FORMATTING, (mark) => LOOKALIKES[mark] ?? mark);
}

/** An escaped text of at most `room` characters. */
function bounded(text: string, room: number, escape = escapeSlack): string {
  const whole = escape(text);
  return whole.length <= room ? whole : escape(cut(text, Math.floor(room / LONGEST_ESCAPE)));
}

/** The three characters with which Slack's own syntax begins and ends. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** Makes the message of a notice for Slack's incoming webhooks. */
export function slackMessage({
  content,
  publicUrl,
  atMs,
}: Pick<Message, 'content' | 'publicUrl' | 'atMs'>): SlackMessage {
  return fitting(
    FORMS,
    (limits) => messageOf(shown(content, limits), publicUrl, atMs),
    ({ blocks }) => blocks.length <= SLACK_LIMITS.blocks,
  );
}

function messageOf(notice: ShownNotice, publicUrl: string, atMs: number): SlackMessage {
  const { severity, subject, sentence, action, facts, tables, link, missing } = notice;
  const [title, happened] = [bounded(subject, SUBJECT_ROOM), bounded(sentence, SENTENCE_ROOM)];
  const blocks: Block[] = [
    section(`${MARKS[severity]}*${title}*`),
    ...(sentence === '' ? [] : [section(happened)]),
    ...(action === null ? [] : [section(`*What to do*\n${bounded(action, SENTENCE_ROOM)}`)]),
    ...factsOf(facts),
    ...tables.flatMap(tableOf),
    ...(missing === null ? [] : [context(`${missing}.`)]),
    ...(link === null ? [] : [button(link.label, addressOf(publicUrl, link.path), severity)]),
    context(`Meterline, ${instant(atMs)}`),
  ];
  const spoken = happened === '' ? title : `${title}\n${happened}`;
  return { text: MARKS[severity] + spoken, blocks, unfurl_links: false, unfurl_media: false };
}

function mrkdwn(text: string): Mrkdwn {
  return { type: 'mrkdwn', text, verbatim: true };
}

function section(text: string): Block {
  return { type: 'section', text: mrkdwn(text) };
}

function context(text: string): Block {
  return { type: 'context', elements: [mrkdwn(text)] };
}

function button(label: string, url: string, severity: Severity): Block {
  const text = { type: 'plain_text', text: bounded(label, SLACK_LIMITS.button, escaped), emoji: false } as const;
  const style = severity === 'critical' ? 'danger' : 'primary';
  return { type: 'actions', elements: [{ type: 'button', text, url, style }] };
}

/** Fields stand in two columns, labels to the left of their values. */
function factsOf(facts: ShownNotice['facts']): Block[] {
  const perSection = SLACK_LIMITS.fields / 2;
  const sections = Array.from({ length: Math.ceil(facts.length / perSection) }, (_, at) =>
    facts.slice(at * perSection, (at + 1) * perSection),
  );
  return sections.map((some) => ({
    type: 'section',
    // An empty field is refused.
    fields: some.flatMap(({ label, value }) => [label, value].map((text) => mrkdwn(escapeSlack(text) || '–'))),
  }));
}

function tableOf({ title, missing, columns, rows }: ShownTable): Block[] {
  const lines = columnsOf({ columns, rows }, WIDEST_CELL).map((text) => escaped(text).replaceAll('`', 'ˋ'));
  const kept: string[] = [];
  for (const text of lines) {
    if (kept.reduce((sum, { length }) => sum + length + 1, text.length) > TABLE_ROOM) break;
    kept.push(text);
  }
  const lost = lines.length - kept.length;
  const notes = [missing, lost === 0 ? null : `${lost} more rows not shown here`].filter((note) => note !== null);
  return [
    section(`*${bounded(title, TITLE_ROOM)}*\n\`\`\`\n${kept.join('\n')}\n\`\`\``),
    ...(notes.length === 0 ? [] : [context(`${notes.join('; ')}.`)]),
  ];
}
