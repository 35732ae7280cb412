import { UNITS_PER_CENT } from './money.ts';

export interface Model {
  readonly id: string;
  readonly label: string;
  readonly inputCentsPerMillion: bigint;
  readonly outputCentsPerMillion: bigint;
  /** A model with a choice of inference geography reports `global` or `us`, another one `not_available`. */
  readonly hasGeo: boolean;
  /** The cost rows of the oldest models have no `inference_geo` field at all. */
  readonly isLegacy: boolean;
}

export type TokenKey = 'uncached' | 'output' | 'cacheRead' | 'cache5m' | 'cache1h';

export interface TokenKind {
  readonly key: TokenKey;
  readonly type: string;
  readonly label: string;
  /** Tokens on a usual weekday, for a series of weight 1. */
  readonly usual: number;
  readonly unitsPerToken: (model: Model) => bigint;
}

const UNITS_PER_CENT_PER_MILLION = UNITS_PER_CENT / 1_000_000n;

/** The five kinds of tokens that Anthropic counts and bills. */
export const TOKEN_KINDS: readonly TokenKind[] = [
  {
    key: 'uncached',
    type: 'uncached_input_tokens',
    label: 'Input Tokens',
    usual: 900_000,
    unitsPerToken: (model) => model.inputCentsPerMillion * UNITS_PER_CENT_PER_MILLION,
  },
  {
    key: 'output',
    type: 'output_tokens',
    label: 'Output Tokens',
    usual: 310_000,
    unitsPerToken: (model) => model.outputCentsPerMillion * UNITS_PER_CENT_PER_MILLION,
  },
  {
    key: 'cacheRead',
    type: 'cache_read_input_tokens',
    label: 'Input Tokens, Cache Hit',
    usual: 4_200_000,
    unitsPerToken: (model) => (model.inputCentsPerMillion * UNITS_PER_CENT_PER_MILLION) / 10n,
  },
  {
    key: 'cache5m',
    type: 'cache_creation.ephemeral_5m_input_tokens',
    label: 'Input Tokens, Cache Write',
    usual: 520_000,
    unitsPerToken: (model) => (model.inputCentsPerMillion * UNITS_PER_CENT_PER_MILLION * 5n) / 4n,
  },
  {
    key: 'cache1h',
    type: 'cache_creation.ephemeral_1h_input_tokens',
    label: 'Input Tokens, Cache Write (1h)',
    usual: 140_000,
    unitsPerToken: (model) => model.inputCentsPerMillion * UNITS_PER_CENT_PER_MILLION * 2n,
  },
];

const KNOWN_MODELS: readonly Model[] = [
  model('claude-sonnet-4-5-20250929', 'Claude Sonnet 4.5', 300n, 1500n, true),
  model('claude-opus-4-5-20251101', 'Claude Opus 4.5', 500n, 2500n, true),
  model('claude-haiku-4-5-20251001', 'Claude Haiku 4.5', 100n, 500n, true),
  model('claude-opus-4-1-20250805', 'Claude Opus 4.1', 1500n, 7500n, false),
  model('claude-sonnet-4-20250514', 'Claude Sonnet 4', 300n, 1500n, false),
  model('claude-3-5-haiku-20241022', 'Claude Haiku 3.5', 80n, 400n, false, true),
  model('claude-3-7-sonnet-20250219', 'Claude Sonnet 3.7', 300n, 1500n, false, true),
  model('claude-opus-4-20250514', 'Claude Opus 4', 1500n, 7500n, false),
  model('claude-3-haiku-20240307', 'Claude Haiku 3', 25n, 125n, false, true),
];

/** Teams may have several workspaces, and a workspace may have no tags. */
const WORKSPACES: readonly { readonly name: string; readonly tags: Readonly<Record<string, string>> }[] = [
  { name: 'Production', tags: { team: 'platform', env: 'production' } },
  { name: 'Research', tags: { team: 'research' } },
  { name: 'Support Agents', tags: { team: 'support', env: 'production' } },
  { name: 'Data Pipeline', tags: { team: 'platform' } },
  { name: 'Evaluation', tags: { team: 'research' } },
  { name: 'Internal Tools', tags: {} },
];

/** What descriptions are made of. */
export const DESCRIPTIONS = ['plain', 'quoted', 'long'] as const;
export type Descriptions = (typeof DESCRIPTIONS)[number];

/** Adds to a name in descriptions: nothing, characters that JSON escapes or may escape, or a thousand characters. */
export function worded(name: string, descriptions: Descriptions): string {
  switch (descriptions) {
    case 'plain':
      return name;
    case 'quoted':
      return `${name} "Équipe R&D" C:\\Projets / ☃`;
    case 'long':
      return `${name} for ${'a purpose that takes many words '.repeat(31)}`.slice(0, 1_000).trimEnd();
  }
}

/** `count` models: real names first, then numbered ones. */
export function models(count: number, descriptions: Descriptions): Model[] {
  return Array.from(
    { length: count },
    (_, index) => KNOWN_MODELS[index] ?? model(`claude-sample-${index}`, `Claude Sample ${index}`, 300n, 1500n, true),
  ).map((each) => ({ ...each, label: worded(each.label, descriptions) }));
}

/** A later snapshot of a model, with another id and the same prices. */
export function snapshot(base: Model, suffix: string): Model {
  return { ...base, id: `${base.id}-${suffix}`, label: `${base.label} (${suffix})`, isLegacy: false };
}

export function workspaceName(index: number): string {
  return WORKSPACES[index]?.name ?? `Workspace ${index + 1}`;
}

export function workspaceTags(index: number): Readonly<Record<string, string>> {
  return WORKSPACES[index]?.tags ?? {};
}

function model(id: string, label: string, input: bigint, output: bigint, hasGeo: boolean, isLegacy = false): Model {
  return { id, label, inputCentsPerMillion: input, outputCentsPerMillion: output, hasGeo, isLegacy };
}
