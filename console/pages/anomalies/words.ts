import type { Anomaly } from '../../parts/unusual.tsx';

/** The kinds of anomalies. */
export const KINDS: Readonly<Record<Anomaly['kind'], string>> = {
  spike: 'Spike',
  drop: 'Drop',
  level_shift: 'Another level',
  drift: 'Drift',
  offsetting: 'Offsetting moves',
  new_spend: 'New spend',
};

/** The states of anomalies. */
export const STATES: Readonly<Record<Anomaly['state'], string>> = {
  open: 'Open',
  closed: 'Over',
  withdrawn: 'Withdrawn',
};

/** What somebody can say of an anomaly. */
export const FEEDBACK = [
  ['expected', 'Expected: it was planned'],
  ['real', 'Real: it is a problem'],
  ['wrong', 'Wrong: it is no anomaly'],
] as const;
