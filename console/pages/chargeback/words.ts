import { labelOf, valueText } from '../explore/dimensions.ts';
import type { Condition, DraftPool, Target } from './draft.ts';

/** Gives the name of a value of a dimension, where it is an id. */
export type NameOfValue = (dimension: string, value: string) => string;

/** What belongs to no cost center. */
export const NOBODY = 'Nobody';

/** A cost center for people. One of a tag may have spaces at its ends, which only quotes show. */
export function centerName(center: string | null): string {
  return center === null ? NOBODY : center === center.trim() ? center : `“${center}”`;
}

/** The conditions of a rule as the rest of a sentence. */
export function conditionsText(where: readonly Condition[], nameOf: NameOfValue): string {
  return where.length === 0 ? 'Every line' : capital(where.map((one) => conditionText(one, nameOf)).join(', and '));
}

function conditionText({ dimension, excludes, values }: Condition, nameOf: NameOfValue): string {
  const names = values.map((value) => nameOf(dimension, value));
  const shown = names.length > 4 ? [...names.slice(0, 3), `${names.length - 3} more`] : names;
  const words = shown.length === 0 ? '…' : shown.join(excludes ? ' nor ' : ' or ');
  return `${labelOf(dimension)} is ${excludes ? 'not ' : ''}${words}`;
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

/** Where a rule leads. */
export function targetText({ kind, name }: Target): string {
  const shown = name === '' ? '…' : name;
  if (kind === 'tag') return `the cost center in tag ${shown}`;
  return kind === 'pool' ? `pool ${shown}` : shown;
}

/** How a pool is split, as a sentence. */
export function poolText({ split, among }: DraftPool): string {
  const how = {
    even: 'In equal parts',
    fixed: 'In fixed shares',
    cost: 'In proportion to cost',
    tokens: 'In proportion to tokens',
  }[split];
  if (among === null) return `${how}, among every cost center with direct cost`;
  const names = among.map(({ kind, name, percent }) => {
    const shown = `${kind === 'pool' ? 'pool ' : ''}${name === '' ? '…' : name}`;
    return split === 'fixed' ? `${shown} ${percent === '' ? '…' : percent} %` : shown;
  });
  const shown = names.length > 6 ? [...names.slice(0, 5), `${names.length - 5} more`] : names;
  return `${how}, among ${shown.length === 0 ? '…' : shown.join(', ')}`;
}

/** A value without a list of names. */
export function plainValue(dimension: string, value: string): string {
  return valueText(dimension, value);
}
