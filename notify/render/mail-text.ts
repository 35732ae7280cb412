import type { Severity } from '../../domain/notices/content.ts';
import { addressOf, type ShownNotice, type ShownTable } from '../text.ts';
import { columnsOf } from './columns.ts';
import { instant, type Places } from './places.ts';

const LINE = 76;
const WIDEST_CELL = 36;
const HEADINGS: Readonly<Record<Severity, string>> = { info: '', warning: 'WARNING: ', critical: 'CRITICAL: ' };

/** The text twin of a mail. It says everything that the HTML says. */
export function mailText(notice: ShownNotice, places: Places): string {
  const { severity, subject, sentence, action, facts, tables, link, missing } = notice;
  const labels = Math.max(0, ...facts.map(({ label }) => label.length));
  const blocks = [
    wrapped(`${HEADINGS[severity]}${subject}`),
    wrapped(sentence),
    action === null ? '' : `What to do:\n${wrapped(action)}`,
    link === null ? '' : `${link.label}:\n${addressOf(places.publicUrl, link.path)}`,
    facts.map(({ label, value }) => `${`${label}:`.padEnd(labels + 1)}  ${value}`).join('\n'),
    ...tables.map(tableOf),
    missing === null ? '' : `${missing}.`,
    footer(places),
  ];
  return `${blocks.filter((block) => block !== '').join('\n\n')}\n`;
}

function tableOf({ title, missing, ...table }: ShownTable): string {
  return [title, '', ...columnsOf(table, WIDEST_CELL), ...(missing === null ? [] : ['', `${missing}.`])].join('\n');
}

function footer({ publicUrl, unsubscribeUrl, atMs }: Places): string {
  // Mail programs know this line, and show what follows it as a signature.
  const lines = ['-- ', `Meterline, ${instant(atMs)}`, publicUrl];
  return [...lines, ...(unsubscribeUrl === null ? [] : ['', 'No more of these mails:', unsubscribeUrl])].join('\n');
}

function wrapped(text: string): string {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length + 1 > LINE) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.join('\n');
}
