import type { Severity } from '../../domain/notices/content.ts';
import type { Message } from '../delivery.ts';
import { addressOf, fitting, shown, type Limits, type ShownNotice, type ShownTable } from '../text.ts';
import { instant } from './places.ts';

/** Teams takes no larger message. */
export const MAX_TEAMS_BYTES = 28 * 1024;

interface TextBlock {
  readonly type: 'TextBlock';
  readonly text: string;
  readonly wrap: true;
  readonly size?: 'large' | 'small';
  readonly weight?: 'bolder';
  readonly color?: 'accent' | 'warning' | 'attention';
  readonly isSubtle?: true;
  readonly spacing?: 'none' | 'small' | 'medium' | 'large';
  readonly style?: 'heading';
  readonly horizontalAlignment?: 'right';
}

interface Container {
  readonly type: 'Container';
  readonly style: 'emphasis' | 'warning' | 'attention';
  readonly items: readonly TextBlock[];
}

interface FactSet {
  readonly type: 'FactSet';
  readonly facts: readonly { readonly title: string; readonly value: string }[];
}

interface Table {
  readonly type: 'Table';
  readonly firstRowAsHeaders: true;
  readonly showGridLines: false;
  readonly columns: readonly { readonly width: number; readonly horizontalCellContentAlignment: 'left' | 'right' }[];
  readonly rows: readonly {
    readonly type: 'TableRow';
    readonly cells: readonly { readonly type: 'TableCell'; readonly items: readonly TextBlock[] }[];
  }[];
}

/** The card of a notice. */
export interface Card {
  readonly $schema: string;
  readonly type: 'AdaptiveCard';
  readonly version: '1.5';
  readonly fallbackText: string;
  readonly msteams: { readonly width: 'Full' };
  readonly body: readonly (TextBlock | Container | FactSet | Table)[];
  readonly actions: readonly { readonly type: 'Action.OpenUrl'; readonly title: string; readonly url: string }[];
}

/** The body of a request to a webhook of Teams' Workflows. */
export interface TeamsMessage {
  readonly type: 'message';
  readonly attachments: readonly [
    {
      readonly contentType: 'application/vnd.microsoft.card.adaptive';
      readonly contentUrl: null;
      readonly content: Card;
    },
  ];
}

const FULL: Limits = { facts: 20, tables: 4, columns: 5, rows: 20, cell: 120, subject: 250, sentence: 1_000 };
const FORMS = [
  FULL,
  { ...FULL, rows: 10 },
  { ...FULL, rows: 5, tables: 2 },
  { ...FULL, rows: 5, tables: 1, columns: 3, facts: 10, cell: 60, sentence: 500 },
  { ...FULL, rows: 0, tables: 0, facts: 5, cell: 60, sentence: 400 },
];

/** What Markdown reads within a line, a link without brackets in its text among it, and functions of cards: `{{DATE(…)}}`. */
const MARKS = /[\\`*_[\]<~]|\{(?=\{)|&(?=#?\w+;)/g;
/** What makes a heading, a quote, a list or a rule, if a line begins with it. */
const BEGINNING = /^(\d+(?=[.)])|(?=[-+=#>]))/;

/** Writes a line into Markdown as Teams reads it. */
export function escapeMarkdown(text: string): string {
  return text.replaceAll(MARKS, String.raw`\$&`).replace(BEGINNING, '$1\\');
}

/** Makes the message of a notice for a workflow that posts cards. */
export function teamsMessage({
  content,
  publicUrl,
  atMs,
}: Pick<Message, 'content' | 'publicUrl' | 'atMs'>): TeamsMessage {
  return fitting(
    FORMS,
    (limits) => ({
      type: 'message',
      attachments: [
        {
          contentType: 'application/vnd.microsoft.card.adaptive',
          contentUrl: null,
          content: cardOf(shown(content, limits), publicUrl, atMs),
        },
      ],
    }),
    (message) => Buffer.byteLength(JSON.stringify(message)) <= MAX_TEAMS_BYTES,
  );
}

const COLORS = { info: 'accent', warning: 'warning', critical: 'attention' } as const;
const BOXES = { info: 'emphasis', warning: 'warning', critical: 'attention' } as const;
const LABELS: Readonly<Record<Severity, string>> = { info: 'Meterline', warning: 'Warning', critical: 'Critical' };

function cardOf(notice: ShownNotice, publicUrl: string, atMs: number): Card {
  const { severity, subject, sentence, action, facts, tables, link, missing } = notice;
  const escaped = facts.map(({ label, value }) => ({ title: escapeMarkdown(label), value: escapeMarkdown(value) }));
  return {
    $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
    type: 'AdaptiveCard',
    version: '1.5',
    fallbackText: subject,
    msteams: { width: 'Full' },
    body: [
      text(LABELS[severity], { size: 'small', weight: 'bolder', color: COLORS[severity] }),
      text(escapeMarkdown(subject), { size: 'large', weight: 'bolder', spacing: 'none', style: 'heading' }),
      ...(sentence === '' ? [] : [text(escapeMarkdown(sentence), { spacing: 'small' })]),
      ...(action === null ? [] : [boxOf(action, severity)]),
      ...(escaped.length === 0 ? [] : [{ type: 'FactSet', facts: escaped } as const]),
      ...tables.flatMap(tableOf),
      ...(missing === null ? [] : [note(`${missing}.`)]),
      note(`Meterline, ${instant(atMs)}`),
    ],
    actions: link === null ? [] : [{ type: 'Action.OpenUrl', title: link.label, url: addressOf(publicUrl, link.path) }],
  };
}

function text(words: string, looks: Omit<TextBlock, 'type' | 'text' | 'wrap'> = {}): TextBlock {
  return { type: 'TextBlock', text: words, wrap: true, ...looks };
}

function note(words: string): TextBlock {
  return text(words, { size: 'small', isSubtle: true });
}

function boxOf(action: string, severity: Severity): Container {
  return {
    type: 'Container',
    style: BOXES[severity],
    items: [text('What to do', { weight: 'bolder' }), text(escapeMarkdown(action), { spacing: 'none' })],
  };
}

function tableOf({ title, columns, rows, missing }: ShownTable): (TextBlock | Table)[] {
  const cellsOf = (
    row: readonly string[],
    looks: Omit<TextBlock, 'type' | 'text' | 'wrap'> = {},
  ): Table['rows'][number] => ({
    type: 'TableRow',
    cells: row.map((cell, at) => {
      const side = columns[at]?.isNumber === true ? ({ horizontalAlignment: 'right' } as const) : {};
      return { type: 'TableCell', items: [text(escapeMarkdown(cell), { ...looks, ...side })] };
    }),
  });
  return [
    text(escapeMarkdown(title), { weight: 'bolder', spacing: 'large' }),
    {
      type: 'Table',
      firstRowAsHeaders: true,
      showGridLines: false,
      columns: columns.map(({ isNumber }) => ({
        width: isNumber ? 1 : 2,
        horizontalCellContentAlignment: isNumber ? 'right' : 'left',
      })),
      rows: [
        cellsOf(
          columns.map(({ name }) => name),
          { weight: 'bolder', isSubtle: true },
        ),
        ...rows.map((row) => cellsOf(row)),
      ],
    },
    ...(missing === null ? [] : [note(`${missing}.`)]),
  ];
}
