import type { Severity } from '../../domain/notices/content.ts';

/** A color by day and by night. The colors are those of the console. */
type Color = readonly [day: string, night: string];

const COLORS = {
  paper: ['#fbfaf7', '#151513'],
  card: ['#ffffff', '#1d1c1a'],
  ink: ['#1c1b19', '#efece6'],
  quiet: ['#5d5a54', '#b3aea4'],
  line: ['#e6e2d9', '#35332f'],
} as const satisfies Record<string, Color>;

interface Accent {
  readonly label: string;
  readonly strong: Color;
  readonly onStrong: Color;
  readonly soft: Color;
}

/** The one accent of a mail. */
export const ACCENTS: Readonly<Record<Severity, Accent>> = {
  info: {
    label: '',
    strong: ['#0b6e69', '#4db6ac'],
    onStrong: ['#ffffff', '#06201e'],
    soft: ['#e9f4f2', '#16322f'],
  },
  warning: {
    label: 'Warning',
    strong: ['#8f5100', '#f0b35a'],
    onStrong: ['#ffffff', '#2a1b00'],
    soft: ['#fff6e6', '#33270f'],
  },
  critical: {
    label: 'Critical',
    strong: ['#b3261e', '#f28b82'],
    onStrong: ['#ffffff', '#2b0906'],
    soft: ['#fdf0ee', '#3a1b18'],
  },
};

const FONT = "-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";

/** Styles by day, inline, since many readers drop a style sheet. */
export interface Styles {
  readonly page: string;
  readonly card: string;
  readonly brand: string;
  readonly label: string;
  readonly subject: string;
  readonly text: string;
  readonly note: string;
  readonly box: string;
  readonly boxTitle: string;
  readonly boxText: string;
  readonly buttonCell: string;
  readonly button: string;
  readonly title: string;
  readonly head: string;
  readonly cell: string;
  readonly fact: string;
  readonly footer: string;
  readonly footerLink: string;
}

/** The inline styles of a mail. */
export function stylesOf(severity: Severity): Styles {
  const { strong, onStrong, soft } = ACCENTS[severity];
  const [accent, onAccent, box] = [strong[0], onStrong[0], soft[0]];
  const { paper, card, ink, quiet, line } = COLORS;
  const font = (size: number, height: number, color: string, weight = 400): string =>
    `font-size:${size}px;line-height:${height}px;font-weight:${weight};color:${color};`;
  const row = `padding:9px 0;border-bottom:1px solid ${line[0]};vertical-align:top;`;
  return {
    page: `margin:0;padding:0;background-color:${paper[0]};`,
    card: `font-family:${FONT};background-color:${card[0]};border:1px solid ${line[0]};border-radius:12px;padding:32px;overflow-wrap:anywhere;`,
    brand: font(14, 20, accent, 700),
    label: font(13, 20, accent, 600),
    subject: `margin:0;${font(22, 30, ink[0], 650)}letter-spacing:-0.2px;`,
    text: `margin:0;${font(16, 25, ink[0])}`,
    note: `margin:0;${font(13, 20, quiet[0])}`,
    box: `background-color:${box};border-radius:10px;padding:20px;`,
    boxTitle: `margin:0;${font(13, 20, accent, 600)}`,
    boxText: `margin:0;${font(16, 25, ink[0])}`,
    buttonCell: `background-color:${accent};border-radius:8px;mso-padding-alt:11px 20px;`,
    button: `display:inline-block;padding:11px 20px;text-decoration:none;${font(15, 20, onAccent, 600)}`,
    title: `margin:0;${font(15, 22, ink[0], 600)}`,
    head: `${font(13, 18, quiet[0], 500)}${row}`,
    cell: `${font(14, 20, ink[0])}${row}`,
    fact: `${font(14, 20, quiet[0])}${row}`,
    footer: `font-family:${FONT};${font(13, 20, quiet[0])}`,
    footerLink: `color:${quiet[0]};text-decoration:underline;`,
  };
}

/** The style sheet: the night, and narrow screens. */
export function styleSheet(severity: Severity): string {
  const { strong, onStrong, soft } = ACCENTS[severity];
  const { paper, card, ink, quiet, line } = COLORS;
  return `
    :root { color-scheme: light dark; supported-color-schemes: light dark; }
    td, th, p, h1, h2, a { font-family: ${FONT}; }
    a:hover { opacity: 0.9; }
    @media (max-width: 480px) {
      .outer { padding: 12px 8px !important; }
      .card { padding: 20px 16px !important; }
      .subject { font-size: 20px !important; line-height: 27px !important; }
      .box { padding: 16px !important; }
      .cell { font-size: 13px !important; min-width: 44px !important; }
      .gap { padding-right: 10px !important; }
      .button { width: 100% !important; }
      .button a { display: block !important; text-align: center !important; }
    }
    @media (prefers-color-scheme: dark) {
      .page { background-color: ${paper[1]} !important; }
      .card { background-color: ${card[1]} !important; border-color: ${line[1]} !important; }
      .ink { color: ${ink[1]} !important; }
      .quiet { color: ${quiet[1]} !important; }
      .row { border-bottom-color: ${line[1]} !important; }
      .accent { color: ${strong[1]} !important; }
      .box { background-color: ${soft[1]} !important; }
      .fill { background-color: ${strong[1]} !important; }
      .on-fill { color: ${onStrong[1]} !important; }
    }`;
}
