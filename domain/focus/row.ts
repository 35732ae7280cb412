import { addDays, type Day } from '../days.ts';
import { TOKEN_TYPES } from '../lines.ts';
import type { Decimal } from '../money.ts';
import { firstDayOf, nextMonth, type Month } from '../months.ts';
import type { DayState } from '../reading.ts';
import type { FocusColumnId } from './columns.ts';
import { priceOf, type Price } from './price.ts';

/** A row of a file: a text for each column, whatever its version. */
export type FocusRow = Readonly<Record<FocusColumnId, string | null>>;

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

/** The row of a line. */
export function rowOf(line: FocusLine): FocusRow {
  return {
    ...costColumns(line),
    ...chargeColumns(line),
    ...pricingColumns(line),
    ...originColumns(line),
    x_CostType: valueOf(line.costType),
    x_Model: valueOf(line.model),
    x_TokenType: valueOf(line.tokenType),
    x_ServiceTier: valueOf(line.serviceTier),
    x_ContextWindow: valueOf(line.contextWindow),
    x_InferenceGeo: valueOf(line.inferenceGeo),
    x_ReadAt: line.readAt,
    x_DayState: line.dayState,
    x_CostCenter: valueOf(line.allocation?.center ?? null),
    x_AllocationRule: valueOf(line.allocation?.rule ?? null),
    x_AllocationVersion: line.allocation?.version?.toString() ?? null,
  };
}

/** FOCUS has no empty texts: what is missing is null. */
function valueOf(text: string | null): string | null {
  return text === '' ? null : text;
}

function startOf(day: Day): string {
  return `${day}T00:00:00Z`;
}

/** Without commitments and contracts, which the Admin API does not tell, all costs are what is billed. */
function costColumns({ amount, currency, accountId, accountName }: FocusLine) {
  return {
    BilledCost: amount,
    EffectiveCost: amount,
    ContractedCost: amount,
    ListCost: amount,
    BillingCurrency: currency,
    BillingAccountId: accountId,
    BillingAccountName: valueOf(accountName),
  };
}

function chargeColumns({ day, billingMonth, isCorrection, description }: FocusLine) {
  return {
    BillingPeriodStart: startOf(firstDayOf(billingMonth)),
    BillingPeriodEnd: startOf(firstDayOf(nextMonth(billingMonth))),
    ChargePeriodStart: startOf(day),
    ChargePeriodEnd: startOf(addDays(day, 1)),
    ChargeCategory: isCorrection ? 'Adjustment' : 'Usage',
    ChargeClass: isCorrection ? 'Correction' : null,
    ChargeDescription: valueOf(description),
    ChargeFrequency: isCorrection ? 'One-Time' : 'Usage-Based',
  };
}

type PricingColumn =
  | 'PricingQuantity'
  | 'PricingUnit'
  | 'PricingCategory'
  | 'ConsumedQuantity'
  | 'ConsumedUnit'
  | 'ListUnitPrice'
  | 'ContractedUnitPrice'
  | 'SkuId'
  | 'SkuMeter'
  | 'SkuPriceId'
  | 'SkuPriceDetails';

const COST_ONLY: Pick<FocusRow, PricingColumn> = {
  PricingQuantity: null,
  PricingUnit: null,
  PricingCategory: null,
  ConsumedQuantity: null,
  ConsumedUnit: null,
  ListUnitPrice: null,
  ContractedUnitPrice: null,
  SkuId: null,
  SkuMeter: null,
  SkuPriceId: null,
  SkuPriceDetails: null,
};

/** Either all of these columns have a value or none has. A correction has none: its price belongs to no quantity. */
function pricingColumns(line: FocusLine): Pick<FocusRow, PricingColumn> {
  const { model, tokenType, isCorrection } = line;
  if (isCorrection || valueOf(model) === null || valueOf(tokenType) === null) return COST_ONLY;
  const price = priceOf(line.amount, line.tokens);
  return price === null ? COST_ONLY : pricedColumns(line, price, model ?? '', tokenType ?? '');
}

function pricedColumns(line: FocusLine, price: Price, model: string, tokenType: string): Pick<FocusRow, PricingColumn> {
  const geo = knownGeo(line.inferenceGeo);
  const sku = joined([model, tokenType]);
  return {
    PricingQuantity: price.quantity,
    PricingUnit: '1000000 Tokens',
    PricingCategory: 'Standard',
    ConsumedQuantity: price.consumed,
    ConsumedUnit: 'Tokens',
    ListUnitPrice: price.unitPrice,
    ContractedUnitPrice: price.unitPrice,
    SkuId: sku,
    SkuMeter: METERS.get(tokenType) ?? tokenType,
    SkuPriceId: `${sku}:${joined([line.serviceTier ?? '', line.contextWindow ?? '', geo ?? ''])}`,
    SkuPriceDetails: JSON.stringify({
      x_Model: model,
      x_TokenType: tokenType,
      x_ServiceTier: valueOf(line.serviceTier),
      x_ContextWindow: valueOf(line.contextWindow),
      x_InferenceGeo: geo,
    }),
  };
}

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

function originColumns(line: FocusLine) {
  const region = regionOf(line.inferenceGeo);
  const workspace = valueOf(line.workspaceId);
  return {
    InvoiceIssuerName: PROVIDER,
    ServiceProviderName: PROVIDER,
    HostProviderName: PROVIDER,
    ProviderName: PROVIDER,
    PublisherName: PROVIDER,
    ServiceName: 'Claude API',
    ServiceCategory: 'AI and Machine Learning',
    ServiceSubcategory: 'Generative AI',
    SubAccountId: workspace,
    SubAccountName: workspace === null ? null : valueOf(line.workspaceName),
    RegionId: region,
    RegionName: region === null ? null : (REGION_NAMES.get(region) ?? region),
    Tags: tagsOf(line.tags),
    InvoiceId: null,
  };
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
