import type { ReadFile, Cells } from './files.ts';

/** The rules of FOCUS 1.4 and 1.3 that rows of costs and usage can be held against, in their own words: no code of ours. */

const DECIMALS = ['BilledCost', 'EffectiveCost', 'ContractedCost', 'ListCost'];
const PRICED_DECIMALS = ['PricingQuantity', 'ConsumedQuantity', 'ListUnitPrice', 'ContractedUnitPrice'];
const PRICED = [
  ...PRICED_DECIMALS,
  ...['PricingUnit', 'PricingCategory', 'ConsumedUnit', 'SkuId', 'SkuMeter', 'SkuPriceId', 'SkuPriceDetails'],
];
const NEVER_NULL = [
  ...DECIMALS,
  ...['BillingCurrency', 'BillingAccountId', 'BillingPeriodStart', 'BillingPeriodEnd', 'ChargePeriodStart'],
  ...[
    'ChargePeriodEnd',
    'ChargeCategory',
    'ChargeFrequency',
    'InvoiceIssuerName',
    'ServiceProviderName',
    'ServiceName',
  ],
  ...['ServiceCategory', 'ServiceSubcategory'],
];
const INSTANTS = ['BillingPeriodStart', 'BillingPeriodEnd', 'ChargePeriodStart', 'ChargePeriodEnd', 'x_ReadAt'];
const MANDATORY = [
  ...NEVER_NULL,
  'BillingAccountName',
  'ChargeClass',
  'ChargeDescription',
  'HostProviderName',
  'PricingQuantity',
  'PricingUnit',
];
const ONLY_1_3 = ['ProviderName', 'PublisherName', 'InvoiceId'];

/** What is wrong with a file; empty if nothing is. */
export function faultsIn({ columns, rows }: ReadFile, version: string): string[] {
  const required = version === '1.3' ? [...MANDATORY, ...ONLY_1_3] : MANDATORY;
  const faults = required.filter((name) => !columns.includes(name)).map((name) => `lacks ${name}`);
  if (version !== '1.3') faults.push(...ONLY_1_3.filter((name) => columns.includes(name)).map((name) => `has ${name}`));
  const firstCustom = columns.findIndex((name) => name.startsWith('x_'));
  if (columns.slice(firstCustom).some((name) => !name.startsWith('x_'))) faults.push('custom columns are not last');
  if (new Set(columns).size !== columns.length) faults.push('a column comes twice');
  rows.forEach((row, at) => faults.push(...faultsOf(row, version).map((fault) => `row ${at}: ${fault}`)));
  return [...new Set(faults)];
}

function faultsOf(row: Cells, version: string): string[] {
  const faults: string[] = [];
  const must = (isSo: boolean, fault: string): void => {
    if (!isSo) faults.push(fault);
  };
  const value = (name: string): string => row[name] ?? '';
  const isNull = (name: string): boolean => (row[name] ?? null) === null;
  for (const name of NEVER_NULL) must(!isNull(name), `${name} is null`);
  for (const [name, cell] of Object.entries(row)) must(cell !== '', `${name} is empty`);
  for (const name of [...DECIMALS, ...PRICED_DECIMALS]) {
    must(isNull(name) || /^-?\d+\.\d+$/.test(value(name)), `${name} is no decimal with a point`);
  }
  for (const name of INSTANTS) {
    must(isNull(name) || /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(value(name)), `${name} is no instant`);
  }
  must(/^[A-Z]{3}$/.test(value('BillingCurrency')), 'BillingCurrency is no code');
  for (const name of ['EffectiveCost', 'ContractedCost', 'ListCost'])
    must(row[name] === row['BilledCost'], `${name} differs`);
  faults.push(...periodFaults(value), ...chargeFaults(row), ...pricingFaults(row, value, isNull));
  for (const [of, id] of [
    ['SubAccountName', 'SubAccountId'],
    ['RegionName', 'RegionId'],
  ] as const) {
    must(isNull(of) || !isNull(id), `${of} without ${id}`);
  }
  must(!['global', 'not_available'].includes(value('RegionId')), 'RegionId is no region');
  for (const name of ['Tags', 'SkuPriceDetails']) must(isNull(name) || isFlat(value(name)), `${name} is not flat JSON`);
  if (version === '1.3') {
    must(row['ProviderName'] === 'Anthropic' && row['PublisherName'] === 'Anthropic', 'the provider has no name');
    must(isNull('InvoiceId'), 'InvoiceId is not null');
  }
  return faults;
}

function periodFaults(value: (name: string) => string): string[] {
  const start = value('ChargePeriodStart');
  const month = value('BillingPeriodStart');
  const next = new Date(month);
  next.setUTCMonth(next.getUTCMonth() + 1);
  const tests: [boolean, string][] = [
    [start.endsWith('T00:00:00Z'), 'a charge begins within a day'],
    [Date.parse(value('ChargePeriodEnd')) - Date.parse(start) === 86_400_000, 'a charge is not a day'],
    [month.endsWith('-01T00:00:00Z'), 'a bill begins within a month'],
    [Date.parse(value('BillingPeriodEnd')) === next.getTime(), 'a bill is not a month'],
    [value('ChargeClass') === 'Correction' || month.slice(0, 7) === start.slice(0, 7), 'a charge is not in its month'],
    [value('ChargeClass') !== 'Correction' || month > start, 'a correction is not billed later'],
  ];
  return tests.filter(([isSo]) => !isSo).map(([, fault]) => fault);
}

function chargeFaults(row: Cells): string[] {
  const kind = [row['ChargeCategory'], row['ChargeClass'], row['ChargeFrequency']];
  const known = [
    ['Usage', null, 'Usage-Based'],
    ['Adjustment', 'Correction', 'One-Time'],
  ];
  return known.some((one) => one.every((part, at) => part === kind[at])) ? [] : [`a charge is ${kind.join(', ')}`];
}

function pricingFaults(row: Cells, value: (name: string) => string, isNull: (name: string) => boolean): string[] {
  const nulls = PRICED.filter(isNull).length;
  if (nulls === PRICED.length) return [];
  const isPrice = (name: string): boolean =>
    scaled(value(name)) >= 0n &&
    scaled(value(name)) * scaled(value('PricingQuantity')) === scaled(value('BilledCost')) * UNIT;
  const tests: [boolean, string][] = [
    [nulls === 0, `pricing is half there: without ${PRICED.filter(isNull).join(', ')}`],
    [row['ChargeCategory'] === 'Usage', 'a correction has a price'],
    [row['PricingUnit'] === '1000000 Tokens' && row['ConsumedUnit'] === 'Tokens', 'a unit is unknown'],
    [row['PricingCategory'] === 'Standard', 'PricingCategory is unknown'],
    [scaled(value('PricingQuantity')) * 1_000_000n === scaled(value('ConsumedQuantity')), 'the quantities differ'],
    [isPrice('ListUnitPrice'), 'list price times quantity is not the cost'],
    [isPrice('ContractedUnitPrice'), 'contracted price times quantity is not the cost'],
    [value('SkuPriceId').startsWith(`${value('SkuId')}:`), 'SkuPriceId is of another SkuId'],
  ];
  return tests.filter(([isSo]) => !isSo).map(([, fault]) => fault);
}

const DIGITS = 60;
const UNIT = 10n ** BigInt(DIGITS);

/** A decimal as a whole number of 10^-60. */
export function scaled(decimal: string): bigint {
  const [whole = '0', fraction = ''] = decimal.split('.');
  return BigInt((whole === '' ? '0' : whole) + fraction.padEnd(DIGITS, '0'));
}

/** The sums of a column of decimals by a key, as whole numbers of 10^-60. */
export function sumsBy(
  rows: readonly Cells[],
  keyOf: (row: Cells) => string,
  column = 'BilledCost',
): Map<string, bigint> {
  const sums = new Map<string, bigint>();
  for (const row of rows) sums.set(keyOf(row), (sums.get(keyOf(row)) ?? 0n) + scaled(row[column] ?? '0'));
  return new Map([...sums].filter(([, sum]) => sum !== 0n).sort(([a], [b]) => (a < b ? -1 : 1)));
}

function isFlat(json: string): boolean {
  const parsed: unknown = JSON.parse(json);
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return false;
  return Object.values(parsed).every((value) => value === null || typeof value !== 'object');
}
