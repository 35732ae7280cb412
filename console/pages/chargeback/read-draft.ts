import { newKey, type Condition, type Draft, type DraftPool, type DraftRule, type Recipient } from './draft.ts';

/** A document is not of the shape of one. The message says where. */
export class ShapeError extends Error {
  override readonly name = 'ShapeError';
}

/**
 * Reads a document as the API gives it, or as somebody typed it. Whether it makes sense is the API's to say; throws a
 * {@link ShapeError} for what cannot be shown as a form.
 */
export function readDraft(document: unknown): Draft {
  const { rules, pools } = recordIn(document, 'The document');
  return {
    rules: listIn(rules, '“rules”').map((rule, index) => readRule(rule, `Rule ${index + 1}`)),
    pools:
      pools === undefined ? [] : listIn(pools, '“pools”').map((pool, index) => readPool(pool, `Pool ${index + 1}`)),
  };
}

function recordIn(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ShapeError(`${what} must be an object, in braces.`);
  }
  return Object.fromEntries(Object.entries(value));
}

function listIn(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new ShapeError(`${what} must be a list, in brackets.`);
  return value;
}

function textIn(value: unknown, what: string): string {
  if (typeof value !== 'string') throw new ShapeError(`${what} must be a text, in quotes.`);
  return value;
}

function readRule(value: unknown, what: string): DraftRule {
  const { name, where, to } = recordIn(value, what);
  const { not = {}, ...own } = recordIn(where, `“where” of ${what}`);
  return {
    key: newKey(),
    name: textIn(name, `“name” of ${what}`),
    where: [
      ...readConditions(own, false, `“where” of ${what}`),
      ...readConditions(recordIn(not, `“not” of ${what}`), true, `“not” of ${what}`),
    ],
    to: readTarget(to, `“to” of ${what}`),
  };
}

function readConditions(given: Readonly<Record<string, unknown>>, excludes: boolean, what: string): Condition[] {
  return Object.entries(given).map(([dimension, values]) => ({
    dimension,
    excludes,
    values: listIn(values, `“${dimension}” in ${what}`).map((value) => {
      const text = value === null ? '' : textIn(value, `Each value of “${dimension}” in ${what}`);
      return dimension === 'workspace' && text === 'default' ? '' : text;
    }),
  }));
}

function readTarget(value: unknown, what: string): DraftRule['to'] {
  if (typeof value === 'string') return { kind: 'center', name: value };
  const { tag, pool } = recordIn(value, what);
  if (tag !== undefined) return { kind: 'tag', name: textIn(tag, what) };
  return { kind: 'pool', name: textIn(pool, what) };
}

function readPool(value: unknown, what: string): DraftPool {
  const { name, split, among } = recordIn(value, what);
  const own = { key: newKey(), name: textIn(name, `“name” of ${what}`) };
  const recipients =
    among === undefined ? null : listIn(among, `“among” of ${what}`).map((one) => recipientOf(one, what));
  if (split === 'even') return { ...own, split, among: recipients };
  const { proportional, fixed } = recordIn(split, `“split” of ${what}`);
  if (fixed === undefined) {
    if (proportional !== 'cost' && proportional !== 'tokens') {
      throw new ShapeError(`“split” of ${what} must be "even", fixed shares, or proportional to "cost" or "tokens".`);
    }
    return { ...own, split: proportional, among: recipients };
  }
  const shares = recordIn(fixed, `“fixed” of ${what}`);
  const shareOf = (recipient: string): string =>
    Object.hasOwn(shares, recipient) ? textIn(shares[recipient], `The share of “${recipient}” in ${what}`) : '';
  const named = recipients ?? Object.keys(shares).map((center) => recipientOf(center, what));
  return { ...own, split: 'fixed', among: named.map((one) => ({ ...one, percent: shareOf(one.name) })) };
}

function recipientOf(value: unknown, what: string): Recipient {
  if (typeof value === 'string') return { key: newKey(), kind: 'center', name: value, percent: '' };
  const { pool } = recordIn(value, `Each recipient of ${what}`);
  return { key: newKey(), kind: 'pool', name: textIn(pool, `Each recipient of ${what}`), percent: '' };
}
