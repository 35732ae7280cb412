import { isNegative, type Decimal } from '../money.ts';
import type { Condition, Feedback, Incident } from './incident.ts';

type Told = Omit<Incident, 'sentence'>;

/** What happened, and why it ended, in whole sentences. */
export function tell(incident: Told): string {
  return [whatHappened(incident), where(incident), howItEnded(incident)].filter((text) => text !== '').join(' ');
}

/** Conditions as people read them. Those on one dimension are alternatives. */
export function spellConditions(conditions: readonly Condition[]): string {
  const dimensions = [...new Set(conditions.map(({ dimension }) => dimension))];
  const parts = dimensions.map((name) => {
    const values = conditions.filter(({ dimension }) => dimension === name);
    return `${name} ${values.map(({ value }) => value ?? 'not reported').join(' or ')}`;
  });
  return parts.join(' and ');
}

/** What feedback changes from now on. */
export function tellEffect(feedback: Feedback, { cause, direction, days }: Incident, factor: string): string {
  const what = subject(cause);
  switch (feedback) {
    case 'expected':
      return days.length < 3
        ? `This was expected. Up to a quarter more of the same for ${what} opens no incident again.`
        : `This was expected. The new level of ${what} is taken as normal, and up to a quarter more of the same opens no incident again.`;
    case 'real':
      return `This was real. Its days do not count as usual, so the band of ${what} stays as narrow as it was.`;
    case 'wrong':
      return `This was no anomaly. ${direction === 'up' ? 'Rises' : 'Falls'} of ${what} must now be ${factor} times as clear to open an incident.`;
  }
}

function subject(cause: readonly Condition[]): string {
  return cause.length === 0 ? 'the whole spend' : spellConditions(cause);
}

function whatHappened({
  kind,
  direction,
  cause,
  counterpart,
  firstDay,
  lastDay,
  observed,
  expected,
  excess,
}: Told): string {
  const what = sentenceCase(subject(cause));
  const when = firstDay === lastDay ? `on ${firstDay}` : `from ${firstDay} to ${lastDay}`;
  const size = `${dollars(excess)} ${direction === 'up' ? 'more' : 'less'} than expected`;
  const amounts = `(${dollars(observed)} against ${dollars(expected)})`;
  switch (kind) {
    case 'spike':
    case 'drop':
      return `${what} cost ${size} ${when} ${amounts}.`;
    case 'level_shift':
      return `${what} moved to ${direction === 'up' ? 'a higher' : 'a lower'} level: ${size} ${when} ${amounts}.`;
    case 'drift':
      return `${what} ${direction === 'up' ? 'rises' : 'falls'} day by day: ${size} ${when} ${amounts}.`;
    case 'offsetting':
      return `${what} cost ${size} ${when} ${amounts}, while ${spellConditions(counterpart)} moved the other way and the total stayed.`;
    case 'new_spend':
      return `${what} is new: it cost ${dollars(observed)} ${when}${counterpart.length === 0 ? '' : `, while ${spellConditions(counterpart)} moved the other way`}.`;
  }
}

function where({ cause, within, explained }: Told): string {
  if (cause.length === 0) return 'No single part explains it.';
  const share = `It explains ${Math.round(explained * 100)} % of the deviation`;
  return within.length === 0 ? `${share}.` : `${share}, nearly all of it in ${spellConditions(within)}.`;
}

function howItEnded({ end, lastDay }: Told): string {
  switch (end) {
    case null:
      return '';
    case 'back':
      return `It was back in its band after ${lastDay}.`;
    case 'new_normal':
      return 'The level lasted, and is taken as normal now.';
    case 'expected':
      return 'Closed: somebody said that it was expected.';
    case 'wrong':
      return 'Closed: somebody said that it was no anomaly.';
    case 'restated':
      return 'Withdrawn: the days as they are now no longer show it.';
    case 'sensitivity':
      return 'Closed: the chosen sensitivity no longer shows it.';
  }
}

function sentenceCase(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The size of an amount, in dollars and whole cents, cut off. */
function dollars(amount: Decimal): string {
  const [whole = '0', fraction = ''] = (isNegative(amount) ? amount.slice(1) : amount).split('.');
  return `$${whole}.${fraction.slice(0, 2).padEnd(2, '0')}`;
}
