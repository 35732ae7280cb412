import { addDays, type DayRange } from '../days.ts';
import { VERSION } from '../version.ts';
import { columnsOf, type FocusColumn, type FocusProfile, type FocusType, type FocusVersion } from './columns.ts';
import { DECIMAL_DIGITS, DECIMAL_SCALE } from './price.ts';

/** What the metadata of a file say about it beside its columns. */
export interface FocusFacts extends FocusProfile {
  readonly range: DayRange;
  /** The connections whose rows it has; null for all. */
  readonly connections: readonly string[] | null;
  /** The most digits behind the point that a cost of the file has, at least {@link DECIMAL_SCALE}. */
  readonly costScale: number;
  /** When the newest of its days was read, in RFC 3339; null if none was. */
  readonly readAt: string | null;
  /** Whether every day of the range was read and is final. */
  readonly isComplete: boolean;
}

/** What {@link FocusFacts} are made of: what is known of an export before its first line. */
interface Known {
  readonly fractionDigits: number;
  readonly certainty: {
    readonly provisionalDays: number;
    readonly missingDays: number;
    readonly uncoveredDays: number;
    readonly asOf: string | null;
  };
}

/** The facts of the file of an export. */
export function factsOf(
  { version, isAllocated }: FocusProfile,
  { from, to, connections }: DayRange & Pick<FocusFacts, 'connections'>,
  known: Known,
): FocusFacts {
  const { provisionalDays, missingDays, uncoveredDays, asOf } = known.certainty;
  return {
    version,
    isAllocated,
    range: { from, to },
    connections: connections === null ? null : [...new Set(connections)].sort(),
    costScale: Math.max(DECIMAL_SCALE, known.fractionDigits),
    readAt: asOf,
    isComplete: provisionalDays + missingDays + uncoveredDays === 0,
  };
}

/** The metadata of a file, as FOCUS has them since 1.3, in the order in which they are written. */
export interface FocusMetadata {
  readonly DataGenerator: { readonly DataGenerator: string };
  readonly DatasetInstance: readonly {
    readonly DatasetInstanceId: string;
    readonly DatasetInstanceName: string;
    readonly FocusDatasetId: string;
  }[];
  readonly Schema: readonly {
    readonly SchemaId: string;
    readonly FocusVersion: FocusVersion;
    readonly CreationDate: string;
    readonly DataGeneratorVersion: string;
    readonly DatasetInstanceId: string;
    readonly ColumnDefinition: readonly ColumnDefinition[];
  }[];
  readonly Recency: readonly {
    readonly DatasetInstanceId: string;
    readonly DatasetInstanceLastUpdated: string | null;
    readonly DatasetInstanceComplete: boolean;
    readonly TimeSectors: readonly {
      readonly TimeSectorStart: string;
      readonly TimeSectorEnd: string;
      readonly TimeSectorLastUpdated: string | null;
      readonly TimeSectorComplete: boolean;
    }[];
  }[];
  readonly x_Replacement: string;
}

/** A column as the metadata describe it. */
export interface ColumnDefinition {
  readonly ColumnName: string;
  readonly DataType: 'STRING' | 'DECIMAL' | 'DATETIME' | 'JSON';
  readonly NumericPrecision?: number;
  readonly NumberScale?: number;
  readonly StringMaxLength?: number;
  readonly StringEncoding?: 'UTF-8';
  readonly Deprecated?: true;
}

/** When the columns last changed. A test fails if they change and these two do not. */
export const SCHEMA_REVISION = { number: 1, createdAt: '2026-12-01T00:00:00Z' } as const;

const DATASET = 'meterline-cost-and-usage';

/** What a file of all connections replaces, in words. */
const REPLACEMENT = {
  byDay:
    'Replaces every earlier file: delete the rows with a ChargePeriodStart within the time sector, then load these. Rows with the ChargeClass Correction change a closed month; their BillingPeriodStart is the month that carries them.',
  byMonth:
    'Replaces every earlier file that is split by cost center: delete the rows with a BillingPeriodStart within the time sector, then load these. Rows with the ChargeClass Correction change an earlier month.',
};

/** The metadata of a file. The same facts give the same metadata. */
export function metadataOf(facts: FocusFacts): FocusMetadata {
  const { version, isAllocated, range, connections, costScale, isComplete } = facts;
  const readAt = facts.readAt === null ? null : toSecond(facts.readAt);
  const dataset = isAllocated ? `${DATASET}-allocated` : DATASET;
  const id = [dataset, ...(connections ?? [])].join('-');
  const replacement = isAllocated ? REPLACEMENT.byMonth : REPLACEMENT.byDay;
  const scale = costScale === DECIMAL_SCALE ? '' : `-scale${costScale}`;
  return {
    DataGenerator: { DataGenerator: 'Meterline' },
    DatasetInstance: [
      {
        DatasetInstanceId: id,
        DatasetInstanceName: `Costs and usage${isAllocated ? ' by cost center' : ''}${connections === null ? '' : ` of ${connections.length === 1 ? 'a connection' : `${connections.length} connections`}`}`,
        FocusDatasetId: 'CostAndUsage',
      },
    ],
    Schema: [
      {
        SchemaId: `${dataset}-${version}-r${SCHEMA_REVISION.number}${scale}`,
        FocusVersion: version,
        CreationDate: SCHEMA_REVISION.createdAt,
        DataGeneratorVersion: VERSION,
        DatasetInstanceId: id,
        ColumnDefinition: columnsOf(facts).map((column) => definitionOf(column, costScale)),
      },
    ],
    Recency: [
      {
        DatasetInstanceId: id,
        DatasetInstanceLastUpdated: readAt,
        DatasetInstanceComplete: isComplete,
        TimeSectors: [
          {
            TimeSectorStart: `${range.from}T00:00:00Z`,
            TimeSectorEnd: `${addDays(range.to, 1)}T00:00:00Z`,
            TimeSectorLastUpdated: readAt,
            TimeSectorComplete: isComplete,
          },
        ],
      },
    ],
    x_Replacement:
      connections === null
        ? replacement
        : `Has the rows of these connections alone: ${connections.join(', ')}. Its rows do not say of which connection they are, so keep its files in a table of their own. There it holds: ${replacement}`,
  };
}

/** An instant in RFC 3339 and UTC, without what lies behind its second. */
export function toSecond(instant: string): string {
  return `${instant.slice(0, 'YYYY-MM-DDTHH:mm:ss'.length)}Z`;
}

const DATA_TYPES = {
  String: 'STRING',
  Decimal: 'DECIMAL',
  DateTime: 'DATETIME',
  JSON: 'JSON',
} as const satisfies Record<FocusType, string>;

/** 1.3 still has what 1.4 removed. */
const DEPRECATED: readonly string[] = ['ProviderName', 'PublisherName'];

function definitionOf({ id, type, maxLength }: FocusColumn, costScale: number): ColumnDefinition {
  return {
    ColumnName: id,
    DataType: DATA_TYPES[type],
    ...(type === 'Decimal' ? { NumericPrecision: DECIMAL_DIGITS, NumberScale: scaleOf(id, costScale) } : {}),
    ...(maxLength === undefined ? {} : { StringMaxLength: maxLength }),
    ...(type === 'String' ? { StringEncoding: 'UTF-8' } : {}),
    ...(DEPRECATED.includes(id) ? { Deprecated: true } : {}),
  };
}

/** How many digits behind the point a column of decimals has: prices and quantities never have more than usual. */
export function scaleOf(id: string, costScale: number): number {
  return id.endsWith('Cost') ? costScale : DECIMAL_SCALE;
}
