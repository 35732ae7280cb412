import { addressOf, type ShownNotice, type ShownTable } from '../text.ts';
import { ACCENTS, stylesOf, styleSheet, type Styles } from './mail-style.ts';
import { instant, type Places } from './places.ts';

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Writes a text into HTML, between tags or in quotes. */
export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}

/** A day, or a percentage: a line that ends inside of one is hard to read. */
const UNBROKEN = /\b\d{4}-\d{2}-\d{2}\b|[+-]?\d[\d,.]* %/g;

/** A text that may be in any direction, so that it turns nothing around it. */
function own(text: string): string {
  const unbroken = escapeHtml(text).replaceAll(UNBROKEN, (part) => `<span style="white-space:nowrap;">${part}</span>`);
  return `<bdi>${unbroken}</bdi>`;
}

const TABLE = 'role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0"';

/** A table that is no wider than its place: what is too wide in it scrolls. */
const FIXED = 'table-layout:fixed;width:100%;';

/**
 * A mail as a page that asks for nothing: no image, no font, no script. Layout by tables, since Outlook knows little else.
 */
export function mailHtml(notice: ShownNotice, places: Places): string {
  const { severity, subject, sentence } = notice;
  const styles = stylesOf(severity);
  return `<!doctype html>
<html lang="en" xmlns="http://www.w3.org/1999/xhtml">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<meta name="format-detection" content="telephone=no, date=no, address=no, email=no">
<title>${escapeHtml(subject)}</title>
<style>${styleSheet(severity)}
</style>
</head>
<body class="page" style="${styles.page}">
<div style="display:none;max-height:0;overflow:hidden;mso-hide:all;">${escapeHtml(sentence)}</div>
<div role="article">
<table ${TABLE} class="page" style="${FIXED}${styles.page}"><tr><td class="outer" align="center" style="padding:32px 16px;">
<!--[if mso]><table role="presentation" width="600" cellpadding="0" cellspacing="0" border="0"><tr><td><![endif]-->
<table ${TABLE} style="${FIXED}max-width:600px;margin:0 auto;text-align:left;">
<tr><td class="card" style="${styles.card}">
${cardOf(notice, places, styles)}
</td></tr>
<tr><td class="quiet" style="${styles.footer}padding:20px 4px 0;">${footer(places, styles)}</td></tr>
</table>
<!--[if mso]></td></tr></table><![endif]-->
</td></tr></table>
</div>
</body>
</html>
`;
}

function cardOf(notice: ShownNotice, { publicUrl }: Places, styles: Styles): string {
  const { severity, subject, sentence, facts, tables, missing } = notice;
  const blocks = [
    `<h1 class="ink subject" style="${styles.subject}">${own(subject)}</h1>`,
    sentence === '' ? '' : `<p class="ink" style="${styles.text}padding-top:12px;">${own(sentence)}</p>`,
    space(24, nextStep(notice, publicUrl, styles)),
    space(24, factsOf(facts, styles)),
    ...tables.map((table) => space(28, tableOf(table, styles))),
    missing === null ? '' : space(12, noteOf(missing, styles)),
  ];
  return [heading(ACCENTS[severity].label, styles), ...blocks.filter((block) => block !== '')].join('\n');
}

/** Outlook knows no margins between tables. */
function space(pixels: number, block: string): string {
  if (block === '') return '';
  return `<div style="height:${pixels}px;line-height:${pixels}px;font-size:1px;">&nbsp;</div>\n${block}`;
}

function heading(label: string, styles: Styles): string {
  return `<table ${TABLE}><tr>
<td class="accent" style="${styles.brand}padding-bottom:20px;">Meterline</td>
<td class="accent" align="right" style="${styles.label}padding-bottom:20px;">${label}</td>
</tr></table>`;
}

function nextStep({ action, link }: ShownNotice, publicUrl: string, styles: Styles): string {
  const button =
    link === null
      ? ''
      : `<table role="presentation" class="button" cellpadding="0" cellspacing="0" border="0"><tr>
<td class="fill" style="${styles.buttonCell}"><a class="on-fill" href="${escapeHtml(addressOf(publicUrl, link.path))}" style="${styles.button}">${own(link.label)}</a></td>
</tr></table>`;
  if (action === null) return button;
  return `<table ${TABLE}><tr><td class="box" style="${styles.box}">
<p class="accent" style="${styles.boxTitle}">What to do</p>
<p class="ink" style="${styles.boxText}padding-top:4px;">${own(action)}</p>
${space(16, button)}
</td></tr></table>`;
}

function factsOf(facts: ShownNotice['facts'], styles: Styles): string {
  if (facts.length === 0) return '';
  const rows = facts.map(
    ({ label, value }) => `<tr>
<td class="quiet row" width="42%" style="${styles.fact}padding-right:16px;">${own(label)}</td>
<td class="ink row" style="${styles.cell}${NUMERALS}">${own(value)}</td>
</tr>`,
  );
  return `<table ${TABLE}>${rows.join('\n')}</table>`;
}

const NUMERALS = 'font-variant-numeric:tabular-nums;';

function tableOf({ title, columns, rows, missing }: ShownTable, styles: Styles): string {
  const last = columns.length - 1;
  const placed = (at: number, color: string, style: string, breaks: string): string => {
    const side = columns[at]?.isNumber === true ? 'right' : 'left';
    const [gap, padding] = at === last ? ['', ''] : [' gap', 'padding-right:16px;'];
    return `class="${color} row cell${gap}" align="${side}" style="${style}${padding}text-align:${side};${breaks}"`;
  };
  const head = columns.map(
    // Between words, so that numbers need no more room than they have digits.
    ({ name }, at) => `<th scope="col" ${placed(at, 'quiet', styles.head, 'overflow-wrap:normal;')}>${own(name)}</th>`,
  );
  const body = rows.map((row) => {
    const cells = row.map((cell, at) => {
      const breaks = columns[at]?.isNumber === true ? `white-space:nowrap;${NUMERALS}` : 'min-width:96px;';
      return `<td ${placed(at, 'ink', styles.cell, breaks)}>${own(cell)}</td>`;
    });
    return `<tr>${cells.join('')}</tr>`;
  });
  return `<h2 class="ink" style="${styles.title}">${own(title)}</h2>
<div tabindex="0" style="overflow-x:auto;padding-top:4px;"><table width="100%" cellpadding="0" cellspacing="0" border="0">
<tr>${head.join('')}</tr>
${body.join('\n')}
</table></div>
${missing === null ? '' : space(8, noteOf(missing, styles))}`;
}

function noteOf(text: string, styles: Styles): string {
  return `<p class="quiet" style="${styles.note}">${escapeHtml(text)}.</p>`;
}

function footer({ publicUrl, unsubscribeUrl, atMs }: Places, styles: Styles): string {
  const link = (address: string, label: string): string =>
    `<a class="quiet" href="${escapeHtml(address)}" style="${styles.footerLink}">${label}</a>`;
  const links = [
    link(publicUrl, 'Open Meterline'),
    ...(unsubscribeUrl === null ? [] : [link(unsubscribeUrl, 'No more of these mails')]),
  ];
  return `Meterline, ${instant(atMs)}<br>${links.join(' &nbsp;·&nbsp; ')}`;
}
