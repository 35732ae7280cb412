import type { IncidentKind } from '../anomalies/incident.ts';
import { conditionsInWords } from '../anomalies/names.ts';
import type { Day } from '../days.ts';
import { isNegative, type Decimal } from '../money.ts';
import { dollars, signedDollars } from './spell.ts';
import type { NoticeContent } from './content.ts';
import type { NoticeDataOf } from './data.ts';

type Anomaly = NoticeDataOf['anomaly'];
type Direction = Anomaly['anomaly']['direction'];

type Spell = (what: string, usd: string) => string;
const MORE: Spell = (what, usd) => `${what} cost ${usd} more than expected`;
const LESS: Spell = (what, usd) => `${what} cost ${usd} less than expected`;

/** What kinds of anomalies are called, by their direction. */
const SUBJECTS: Readonly<Record<IncidentKind, Readonly<Record<Direction, Spell>>>> = {
  spike: { up: MORE, down: LESS },
  drop: { up: MORE, down: LESS },
  level_shift: {
    up: (what, usd) => `${what} costs more than before, ${usd} so far`,
    down: (what, usd) => `${what} costs less than before, ${usd} so far`,
  },
  drift: {
    up: (what, usd) => `${what} grows day by day, ${usd} so far`,
    down: (what, usd) => `${what} shrinks day by day, ${usd} so far`,
  },
  offsetting: {
    up: (what, usd) => `${usd} moved to ${what}`,
    down: (what, usd) => `${usd} moved away from ${what}`,
  },
  new_spend: { up: (what, usd) => `new spend of ${usd} on ${what}`, down: LESS },
};

/** What an anomaly is, in a line. */
export function subjectOf({ connection, anomaly: { kind, direction }, cause, excess }: Anomaly): string {
  const what = cause.length === 0 ? 'the whole spend' : conditionsInWords(cause);
  return `${connection.name}: ${SUBJECTS[kind][direction](what, magnitude(excess))}`;
}

/** Its days, its cause and its amounts. */
export function factsOf({ connection, cause, within, counterpart, ...data }: Anomaly): NoticeContent['facts'] {
  return [
    { label: 'Connection', value: connection.name },
    { label: 'Days', value: spellRange(data.first_day, data.last_day) },
    { label: 'Cause', value: cause.length === 0 ? 'all of its spend' : conditionsInWords(cause) },
    ...(within.length === 0 ? [] : [{ label: 'Within', value: conditionsInWords(within) }]),
    ...(counterpart.length === 0 ? [] : [{ label: 'Moved the other way', value: conditionsInWords(counterpart) }]),
    { label: 'Cost', value: dollars(data.observed) },
    { label: 'Expected', value: dollars(data.expected) },
    { label: isNegative(data.excess) ? 'Less than expected' : 'More than expected', value: magnitude(data.excess) },
  ];
}

/** What happened, and why, in whole sentences. */
export function sentenceOf(data: Anomaly): string {
  return `${happened(data)} ${whyItChanged(data)}`;
}

function happened({ connection, anomaly, cause, counterpart, observed, expected, excess, ...data }: Anomaly): string {
  const what =
    cause.length === 0
      ? `The whole spend of ${connection.name}`
      : `The spend on ${conditionsInWords(cause)} of ${connection.name}`;
  const days = spellRange(data.first_day, data.last_day);
  const other =
    counterpart.length === 0
      ? ''
      : ` At the same time the spend on ${conditionsInWords(counterpart)} moved the other way.`;
  return anomaly.kind === 'new_spend'
    ? `${what} was ${dollars(observed)} (${days}). There was none ever before.${other}`
    : `${what} was ${dollars(observed)} (${days}), ${magnitude(excess)} ${isNegative(excess) ? 'less' : 'more'} than the expected ${dollars(expected)}.${other}`;
}

/** The change against earlier days, and its parts, the largest first. */
function whyItChanged({ change }: Anomaly): string {
  const parts = [
    { words: 'by the number of tokens', usd: change.volume },
    { words: 'by a different mix of models and token types', usd: change.mix },
    { words: 'by what a token cost', usd: change.price },
    { words: 'by cost without tokens', usd: change.unmatched },
  ];
  const size = (usd: Decimal): number => Math.abs(Number(usd));
  const shown = parts.filter(({ usd }) => size(usd) >= 0.005).sort((a, b) => size(b.usd) - size(a.usd));
  if (shown.length === 0 || change.compared_days === 0) return '';
  const than = change.compared_days === 1 ? 'an earlier day' : `${change.compared_days} earlier days`;
  const why = shown.map(({ words, usd }) => `${signedDollars(usd)} ${words}`).join(', ');
  return `Against ${than} it changed by ${signedDollars(change.change)}: ${why}.`;
}

function spellRange(first: Day, last: Day): string {
  return first === last ? first : `${first} to ${last}`;
}

function magnitude(amount: Decimal): string {
  return dollars(amount).replace('-', '');
}
