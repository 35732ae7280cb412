import type { NoticeContent, Severity } from '../../domain/notices/content.ts';

/** Names that people, or those who want to harm them, give to workspaces. */
export const HOSTILE = [
  '<script>alert(1)</script>',
  '"><img src=https://evil.example/x.png onerror=alert(1)>',
  "' onmouseover='alert(1)",
  '</td></table><h1>Gone</h1>',
  '&lt;b&gt; & &amp; &#60;',
  '<!--[if mso]>x<![endif]-->',
  '<!channel> <!here> <@U012AB3CD> <#C123> <https://evil.example|your console>',
  '[your console](https://evil.example) ![x](https://evil.example/x.png)',
  '*bold* _italic_ ~struck~ `code` ```block``` **b** __i__ ~~s~~',
  '# Heading',
  '> quote',
  '- item',
  '1. item',
  '1) item',
  '--- ',
  '{{DATE(2026-11-30T00:00:00Z,SHORT)}} ${x} {x}',
  'Name\r\nBcc: eve@evil.example\r\n\r\n<h1>Another mail</h1>',
  'Name\nX-Header: 1\u2028next\u2029next\u0085next\u000bnext',
  '\u202egnp.exe\u202c \u2066isolated\u2069 \u200fright \u061cmark',
  'zero\u200bwidth\ufeff no\u2060break \u00adsoft',
  'NUL\u0000 ESC\u001b[31m BEL\u0007 DEL\u007f',
  '👩‍👩‍👧‍👦 🇨🇭 👍🏽 ☃',
  'Größe 東京 русский العربية हिन्दी',
  'half \ud83d and \ude00 of a pair',
  '%s %d ${process.env.HOME} {{7*7}} =cmd()|x',
  '=?utf-8?B?SGVsbG8=?=',
  'x'.repeat(10_000),
  '🦜'.repeat(5_000),
  '*'.repeat(3_000),
  '&'.repeat(3_000),
  ' '.repeat(3_000),
  '',
] as const;

/** A notice in which every text is the same. */
export function everywhere(text: string, severity: Severity = 'warning'): NoticeContent {
  const columns = [
    { name: text, isNumber: false },
    { name: text, isNumber: true },
  ];
  return {
    kind: 'test',
    severity,
    subject: text,
    sentence: text,
    action: text,
    facts: [{ label: text, value: text }],
    tables: [{ title: text, columns, rows: [[text, text], [text], [text, text, text]] }],
    link: { label: text, path: '/connections' },
  };
}

/** A notice with a table of many long rows, and many facts. */
export function long(rows: number, text = 'A workspace with quite a long name & more'): NoticeContent {
  return {
    ...everywhere('Much to read'),
    facts: Array.from({ length: 100 }, (_, at) => ({ label: `Fact ${at}`, value: text })),
    tables: Array.from({ length: 5 }, (_, at) => ({
      title: `Table ${at}`,
      columns: Array.from({ length: 10 }, (_column, number) => ({ name: `Column ${number}`, isNumber: number > 0 })),
      rows: Array.from({ length: rows }, (_row, number) => [
        `${text} ${number}`,
        ...Array.from({ length: 9 }, () => '1,234,567.89'),
      ]),
    })),
  };
}
