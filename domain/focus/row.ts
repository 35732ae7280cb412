import { addDays, type Day } from '../days.ts';
import { TOKEN_TYPES } from '../lines.ts';
import type { Decimal } from '../money.ts';
import { firstDayOf, nextMonth, type Month } from '../months.ts';
import type { DayState } from '../reading.ts';
import type { FocusColumnId, KnownColumn } from './columns.ts';
import { priceOf, type Price } from './price.ts';

/** A row of a file: the text of each of its columns, null where it has no value. */
export type FocusRow = readonly (string | null)[];

/** A tag of a workspace. */
export type FocusTag = readonly [key: string, value: string];

/** A line of cost, or a part or a correction of one, with what its row needs. */
export interface FocusLine {
  readonly day: Day;
  /** The month whose bill has it: that of the day, but of a correction the one that carries it. */
  readonly billingMonth: Month;
  /** The organization, or the connection where its organization is not known. */
  readonly accountId: string;
  readonly accountName: string | null;
  /** Null for the default workspace. */
  readonly workspaceId: string | null;
  readonly workspaceName: string | null;
  /** The tags of the workspace, in any order. */
  readonly tags: readonly FocusTag[] | null;
  readonly description: string | null;
  readonly costType: string | null;
  readonly model: string | null;
  readonly tokenType: string | null;
  readonly contextWindow: string | null;
  readonly serviceTier: string | null;
  readonly inferenceGeo: string | null;
  readonly currency: string;
  /** In major units. */
  readonly amount: Decimal;
  /** The tokens that this very line bills; null where they are not known, or other lines bill them as well. */
  readonly tokens: Decimal | null;
  /** Whether it is the change of a line that was closed before. */
  readonly isCorrection: boolean;
  /** When its day was read, in RFC 3339; null for what a statement keeps. */
  readonly readAt: string | null;
  readonly dayState: DayState | null;
  /** Who it belongs to and why; null in files that are not split by cost center. */
  readonly allocation: {
    readonly center: string | null;
    readonly rule: string | null;
    readonly version: number | null;
  } | null;
}

const PROVIDER = 'Anthropic';

/** What the columns of a row are made of. */
interface Known {
  readonly line: FocusLine;
  readonly period: Period;
  /** Null for a row that has a cost alone. */
  readonly priced: Priced | null;
  readonly region: string | null;
}

/** The bounds of the charge and of the bill. */
interface Period {
  readonly day: Day;
  readonly billingMonth: Month;
  readonly bounds: readonly [chargeStart: string, chargeEnd: string, billStart: string, billEnd: string];
}

/** A correction has no price, which belongs to no quantity. Neither has a line without a model or a token type. */
interface Priced {
  readonly price: Price;
  readonly sku: Sku;
}

/** What is priced, and at which of its prices. */
interface Sku {
  readonly id: string;
  readonly priceId: string;
  readonly details: string;
}

/** Makes rows of lines. */
export type ToRows = (lines: readonly FocusLine[]) => FocusRow[];

/**
 * Makes rows with these columns. Many lines follow each other that are of one day, and few units are priced, so a file has
 * one of these, which remembers both.
 */
export function rowsWith(columns: readonly KnownColumn[]): ToRows {
  const values = columns.map(({ id }) => VALUES[id]);
  const skuOf = rememberingSkus();
  let period: Period | null = null;
  return (lines) =>
    lines.map((line) => {
      if (period?.day !== line.day || period.billingMonth !== line.billingMonth) period = periodOf(line);
      const price = line.isCorrection ? null : priceOf(line.amount, line.tokens);
      const sku = price === null ? null : skuOf(line);
      const known = {
        line,
        period,
        priced: price === null || sku === null ? null : { price, sku },
        region: regionOf(line.inferenceGeo),
      };
      return values.map((value) => value(known));
    });
}

/** FOCUS has no empty texts: what is missing is null. */
function valueOf(text: string | null | undefined): string | null {
  return text === undefined || text === '' ? null : text;
}

function periodOf({ day, billingMonth }: FocusLine): Period {
  const days = [day, addDays(day, 1), firstDayOf(billingMonth), firstDayOf(nextMonth(billingMonth))] as const;
  const [start, end, billStart, billEnd] = days;
  return { day, billingMonth, bounds: [startOf(start), startOf(end), startOf(billStart), startOf(billEnd)] };
}

function startOf(day: Day): string {
  return `${day}T00:00:00Z`;
}

/** More are not in use at once. */
const REMEMBERED_SKUS = 10_000;

function rememberingSkus(): (line: FocusLine) => Sku | null {
  const known = new Map<string, Sku | null>();
  return (line) => {
    const { model, tokenType, serviceTier, contextWindow, inferenceGeo } = line;
    // No text of Postgres has a NUL, and an empty one is as good as none.
    const key = [model, tokenType, serviceTier, contextWindow, inferenceGeo].join('\0');
    let sku = known.get(key);
    if (sku === undefined) {
      if (known.size === REMEMBERED_SKUS) known.clear();
      sku = skuOf(line);
      known.set(key, sku);
    }
    return sku;
  };
}

/** Null for a line without a model or a token type. */
function skuOf(line: FocusLine): Sku | null {
  const [model, tokenType] = [valueOf(line.model), valueOf(line.tokenType)];
  if (model === null || tokenType === null) return null;
  const geo = knownGeo(line.inferenceGeo);
  const id = joined([model, tokenType]);
  return {
    id,
    priceId: `${id}:${joined([line.serviceTier ?? '', line.contextWindow ?? '', geo ?? ''])}`,
    details: JSON.stringify({
      x_Model: model,
      x_TokenType: tokenType,
      x_ServiceTier: valueOf(line.serviceTier),
      x_ContextWindow: valueOf(line.contextWindow),
      x_InferenceGeo: geo,
    }),
  };
}

/** Without commitments and contracts, which the Admin API does not tell, all costs are what is billed. */
const cost = ({ line }: Known): string => line.amount;
const provider = (): string => PROVIDER;
const unitPrice = ({ priced }: Known): string | null => priced?.price.unitPrice ?? null;
/** A value of those rows alone that have a price: either all such columns have a value or none has. */
const ofPriced =
  (value: string) =>
  ({ priced }: Known): string | null =>
    priced === null ? null : value;

/** What each column of a row has. */
const VALUES: Readonly<Record<FocusColumnId, (known: Known) => string | null>> = {
  BilledCost: cost,
  EffectiveCost: cost,
  ContractedCost: cost,
  ListCost: cost,
  BillingCurrency: ({ line }) => line.currency,
  BillingAccountId: ({ line }) => line.accountId,
  BillingAccountName: ({ line }) => valueOf(line.accountName),
  BillingPeriodStart: ({ period }) => period.bounds[2],
  BillingPeriodEnd: ({ period }) => period.bounds[3],
  ChargePeriodStart: ({ period }) => period.bounds[0],
  ChargePeriodEnd: ({ period }) => period.bounds[1],
  ChargeCategory: ({ line }) => (line.isCorrection ? 'Adjustment' : 'Usage'),
  ChargeClass: ({ line }) => (line.isCorrection ? 'Correction' : null),
  ChargeDescription: ({ line }) => valueOf(line.description),
  ChargeFrequency: ({ line }) => (line.isCorrection ? 'One-Time' : 'Usage-Based'),
  InvoiceIssuerName: provider,
  ServiceProviderName: provider,
  HostProviderName: provider,
  ProviderName: provider,
  PublisherName: provider,
  ServiceName: () => 'Claude API',
  ServiceCategory: () => 'AI and Machine Learning',
  ServiceSubcategory: () => 'Generative AI',
  PricingQuantity: ({ priced }) => priced?.price.quantity ?? null,
  PricingUnit: ofPriced('1000000 Tokens'),
  PricingCategory: ofPriced('Standard'),
  ConsumedQuantity: ({ priced }) => priced?.price.consumed ?? null,
  ConsumedUnit: ofPriced('Tokens'),
  ListUnitPrice: unitPrice,
  ContractedUnitPrice: unitPrice,
  SkuId: ({ priced }) => priced?.sku.id ?? null,
  SkuMeter: ({ line, priced }) => (priced === null ? null : (METERS.get(line.tokenType ?? '') ?? line.tokenType)),
  SkuPriceId: ({ priced }) => priced?.sku.priceId ?? null,
  SkuPriceDetails: ({ priced }) => priced?.sku.details ?? null,
  SubAccountId: ({ line }) => valueOf(line.workspaceId),
  SubAccountName: ({ line }) => (valueOf(line.workspaceId) === null ? null : valueOf(line.workspaceName)),
  RegionId: ({ region }) => region,
  RegionName: ({ region }) => (region === null ? null : (REGION_NAMES.get(region) ?? region)),
  Tags: ({ line }) => tagsOf(line.tags),
  InvoiceId: () => null,
  x_CostType: ({ line }) => valueOf(line.costType),
  x_Model: ({ line }) => valueOf(line.model),
  x_TokenType: ({ line }) => valueOf(line.tokenType),
  x_ServiceTier: ({ line }) => valueOf(line.serviceTier),
  x_ContextWindow: ({ line }) => valueOf(line.contextWindow),
  x_InferenceGeo: ({ line }) => valueOf(line.inferenceGeo),
  x_ReadAt: ({ line }) => line.readAt,
  x_DayState: ({ line }) => line.dayState,
  x_CostCenter: ({ line }) => valueOf(line.allocation?.center),
  x_AllocationRule: ({ line }) => valueOf(line.allocation?.rule),
  x_AllocationVersion: ({ line }) => line.allocation?.version?.toString() ?? null,
};

/** What FOCUS calls the tokens of each type. A type that is not listed keeps its own name. */
const METERS: ReadonlyMap<string, string> = new Map([
  [TOKEN_TYPES.uncached_input_tokens, 'Input Tokens'],
  [TOKEN_TYPES.output_tokens, 'Output Tokens'],
  [TOKEN_TYPES.cache_read_input_tokens, 'Cached Input Tokens'],
  [TOKEN_TYPES.cache_creation_5m, 'Cache Write Tokens (5m)'],
  [TOKEN_TYPES.cache_creation_1h, 'Cache Write Tokens (1h)'],
]);

/** Parts of an id. A colon within a part is spelled `%3A`, so that no two ids are alike. */
function joined(parts: readonly string[]): string {
  return parts.map((part) => part.replaceAll('%', '%25').replaceAll(':', '%3A')).join(':');
}

const REGION_NAMES: ReadonlyMap<string, string> = new Map([['us', 'United States']]);

/** A geography that is absent, null or not available is one value. */
function knownGeo(geo: string | null): string | null {
  return geo === 'not_available' ? null : valueOf(geo);
}

/** The region in which the tokens were made; null where it was any. */
function regionOf(geo: string | null): string | null {
  return geo === 'global' ? null : knownGeo(geo);
}

/** Tags by their keys as one flat JSON object; null without any. */
function tagsOf(tags: FocusLine['tags']): string | null {
  if (tags === null || tags.length === 0) return null;
  const members = tags
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
  // Not by way of an object, which would put keys such as "1" first and lose one named __proto__.
  return `{${members.join(',')}}`;
}
