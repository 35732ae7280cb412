/** The versions of FOCUS (FinOps Open Cost and Usage Specification) that are written; the first is the default. */
export const FOCUS_VERSIONS = ['1.4', '1.3'] as const;
/** One of {@link FOCUS_VERSIONS}. */
export type FocusVersion = (typeof FOCUS_VERSIONS)[number];

/** What a column holds. All values travel as text: a decimal in its one spelling, an instant as `YYYY-MM-DDTHH:mm:ssZ`. */
export type FocusType = 'String' | 'Decimal' | 'DateTime' | 'JSON';

/** A column of a FOCUS file of costs and usage. */
export interface FocusColumn {
  readonly id: string;
  readonly type: FocusType;
  /** Whether FOCUS 1.4 allows null. */
  readonly isNullable: boolean;
  /** Set for a column that 1.4 no longer has, or that it wants left out where it is always null. */
  readonly only?: '1.3';
  /** Set for a column that only files by cost center have. */
  readonly isOfAllocation?: true;
  /** The length of the longest text that it may hold, in characters, where there is one. */
  readonly maxLength?: number;
}

const text = <Id extends string>(id: Id, maxLength?: number) =>
  ({ id, type: 'String', isNullable: false, ...(maxLength === undefined ? {} : { maxLength }) }) as const;
const nullableText = <Id extends string>(id: Id, maxLength?: number) =>
  ({ ...text(id, maxLength), isNullable: true }) as const;
const decimal = <Id extends string>(id: Id) => ({ id, type: 'Decimal', isNullable: false }) as const;
const nullableDecimal = <Id extends string>(id: Id) => ({ id, type: 'Decimal', isNullable: true }) as const;
const instant = <Id extends string>(id: Id) => ({ id, type: 'DateTime', isNullable: false }) as const;
const json = <Id extends string>(id: Id) => ({ id, type: 'JSON', isNullable: true }) as const;

/** Every column in the order of the file. Those that FOCUS does not know begin with `x_` and come last. */
export const FOCUS_COLUMNS = [
  decimal('BilledCost'),
  decimal('EffectiveCost'),
  decimal('ContractedCost'),
  decimal('ListCost'),
  text('BillingCurrency'),
  text('BillingAccountId'),
  nullableText('BillingAccountName'),
  instant('BillingPeriodStart'),
  instant('BillingPeriodEnd'),
  instant('ChargePeriodStart'),
  instant('ChargePeriodEnd'),
  text('ChargeCategory', 10),
  nullableText('ChargeClass', 10),
  nullableText('ChargeDescription'),
  text('ChargeFrequency', 11),
  text('InvoiceIssuerName', 9),
  text('ServiceProviderName', 9),
  nullableText('HostProviderName', 9),
  { ...text('ProviderName', 9), only: '1.3' },
  { ...text('PublisherName', 9), only: '1.3' },
  text('ServiceName', 10),
  text('ServiceCategory', 23),
  text('ServiceSubcategory', 13),
  nullableDecimal('PricingQuantity'),
  nullableText('PricingUnit', 14),
  nullableText('PricingCategory', 8),
  nullableDecimal('ConsumedQuantity'),
  nullableText('ConsumedUnit', 6),
  nullableDecimal('ListUnitPrice'),
  nullableDecimal('ContractedUnitPrice'),
  nullableText('SkuId'),
  nullableText('SkuMeter'),
  nullableText('SkuPriceId'),
  json('SkuPriceDetails'),
  nullableText('SubAccountId'),
  nullableText('SubAccountName'),
  nullableText('RegionId'),
  nullableText('RegionName'),
  json('Tags'),
  { ...nullableText('InvoiceId'), only: '1.3' },
  nullableText('x_CostType'),
  nullableText('x_Model'),
  nullableText('x_TokenType'),
  nullableText('x_ServiceTier'),
  nullableText('x_ContextWindow'),
  nullableText('x_InferenceGeo'),
  { ...instant('x_ReadAt'), isNullable: true },
  nullableText('x_DayState', 11),
  { ...nullableText('x_CostCenter'), isOfAllocation: true },
  { ...nullableText('x_AllocationRule'), isOfAllocation: true },
  { ...nullableText('x_AllocationVersion'), isOfAllocation: true },
] as const satisfies readonly FocusColumn[];

/** The id of a column. */
export type FocusColumnId = (typeof FOCUS_COLUMNS)[number]['id'];

/** A column with its id as one of those that a row has. */
export type KnownColumn = FocusColumn & { readonly id: FocusColumnId };

/** What a file is written as. */
export interface FocusProfile {
  readonly version: FocusVersion;
  /** Whether its rows are split by cost center. */
  readonly isAllocated: boolean;
}

/** The columns of a file, in their order. */
export function columnsOf({ version, isAllocated }: FocusProfile): readonly KnownColumn[] {
  const all: readonly KnownColumn[] = FOCUS_COLUMNS;
  return all.filter(
    ({ only, isOfAllocation }) => (only ?? version) === version && (isOfAllocation !== true || isAllocated),
  );
}
