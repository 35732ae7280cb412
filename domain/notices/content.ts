/** How urgent a notice is. */
export const SEVERITIES = ['info', 'warning', 'critical'] as const;
/** One of {@link SEVERITIES}. */
export type Severity = (typeof SEVERITIES)[number];

/** What a notice says, before any channel gives it a form. All texts are plain: each channel escapes them its own way. */
export interface NoticeContent {
  /** The kind of the notice, such as `connection_trouble`. */
  readonly kind: string;
  readonly severity: Severity;
  /** One line. */
  readonly subject: string;
  /** What happened, in whole sentences. */
  readonly sentence: string;
  /** What to do; null if there is nothing to do. */
  readonly action: string | null;
  readonly facts: readonly { readonly label: string; readonly value: string }[];
  readonly tables: readonly NoticeTable[];
  /** A place in the console, as a path that begins with `/`; null if there is none. */
  readonly link: { readonly label: string; readonly path: string } | null;
}

/** What is said to those who were told of a notice that proved to be wrong, for a reason in one sentence. */
export function withdrawn(content: NoticeContent, reason: string): NoticeContent {
  return {
    ...content,
    severity: 'info',
    subject: `Withdrawn: ${content.subject}`,
    sentence: `${reason} So this does not hold any more: ${content.sentence}`,
    action: null,
    tables: [],
  };
}

/** A table of a notice. Numbers are aligned to the right. */
export interface NoticeTable {
  readonly title: string;
  readonly columns: readonly { readonly name: string; readonly isNumber: boolean }[];
  readonly rows: readonly (readonly string[])[];
}
