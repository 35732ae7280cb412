import fc from 'fast-check';
import type { FaultInput } from '../../../simulator/simulator.ts';

/** What happens at Anthropic, where nobody asks Meterline. Days are counted back from today. */
export type Change =
  | {
      readonly do: 'restate';
      readonly kind: 'scale' | 'add' | 'remove' | 'empty' | 'split' | 'fill';
      readonly report: 'cost' | 'usage' | 'both';
      readonly daysAgo: number;
      readonly factor: string;
    }
  | { readonly do: 'hide'; readonly daysAgo: number; readonly part: number }
  | { readonly do: 'show' }
  | { readonly do: 'setKey'; readonly which: 'serving' | 'another'; readonly state: 'active' | 'revoked' | 'forbidden' }
  | { readonly do: 'fail'; readonly failure: FaultInput };

/** What people tell a connection, or do to its workflow. */
export type Order =
  | { readonly do: 'syncNow' }
  | { readonly do: 'syncDays'; readonly daysAgo: number; readonly length: number }
  | { readonly do: 'syncOutside'; readonly side: 'before' | 'after' }
  | { readonly do: 'pause' }
  | { readonly do: 'resume' }
  | {
      readonly do: 'rotate';
      readonly to: 'good' | 'revoked' | 'forbidden' | 'foreign' | 'unknown' | 'same';
      /** What is revoked right after the signal, while it may be under way. */
      readonly thenRevoke: 'nothing' | 'old' | 'new';
    }
  | { readonly do: 'malformed'; readonly signal: SignalName; readonly input: unknown }
  | { readonly do: 'terminate' }
  | { readonly do: 'disconnect'; readonly purge: boolean };

type SignalName = 'rotateKey' | 'syncNow' | 'pause' | 'resume' | 'disconnect';

/** What happens to one connection in one round: first the changes, all at one instant, then the orders. */
export interface Turn {
  readonly changes: readonly Change[];
  readonly orders: readonly Order[];
}

/** A connection's whole life. */
export interface Sequence {
  readonly backfillDays: number;
  /** Whether its first key is good, or Anthropic does not answer at first. */
  readonly start: 'good' | 'revoked' | 'unanswered';
  readonly turns: readonly Turn[];
}

/** What a round is for all connections that live side by side. */
export interface RoundPlan {
  /** How much time passes once everything was said. */
  readonly step: 'moment' | 'hours' | 'midnight' | 'day';
  /** Whether Anthropic's failures of earlier rounds end here. */
  readonly calm: boolean;
}

const daysAgo = fc.oneof({ weight: 3, arbitrary: fc.nat(4) }, { weight: 1, arbitrary: fc.nat(33) });

const restate: fc.Arbitrary<Change> = fc.record({
  do: fc.constant('restate'),
  kind: fc.constantFrom('scale', 'add', 'remove', 'empty', 'split', 'fill'),
  report: fc.constantFrom('cost', 'usage', 'both'),
  daysAgo,
  factor: fc.constantFrom('1.01', '0.5', '3'),
});

/** Faults that a request meets once or a few times, or until the failures end. */
const failure: fc.Arbitrary<FaultInput> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('status', 'truncated_json', 'reset', 'html_ok', 'wrong_shape', 'rate_limited'),
    report: fc.constantFrom(undefined, 'organization', 'workspaces', 'cost', 'usage'),
    status: fc.constantFrom(500, 503, 529),
    after: fc.nat(2),
    times: fc.constantFrom<number | 'always'>(1, 1, 2, 4, 'always'),
  }),
  fc.record({
    kind: fc.constantFrom('lost_line', 'missing_bucket', 'duplicate_lines', 'bad_amount', 'null_page', 'cyclic_page'),
    report: fc.constantFrom('cost', 'usage'),
    grouped: fc.constant(true),
    times: fc.constantFrom<number | 'always'>(1, 2, 'always'),
  }),
);

const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 10, arbitrary: restate },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('hide'), daysAgo, part: fc.constantFrom(0.3, 0.7, 1) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('show') }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('setKey'),
      which: fc.constantFrom('serving', 'serving', 'another'),
      state: fc.constantFrom('active', 'revoked', 'forbidden'),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('fail'), failure }) },
);

const malformed: fc.Arbitrary<Order> = fc
  .constantFrom<readonly [SignalName, unknown]>(
    ['rotateKey', 'sk-ant-admin01-pasted-by-mistake'],
    ['rotateKey', { keyId: 7 }],
    ['rotateKey', { keyId: 'latest' }],
    ['syncNow', { from: '2026-02-30', to: '2026-03-01' }],
    ['syncNow', { from: '2026-02-02', to: '2026-02-01' }],
    ['syncNow', { from: '2026-02-02' }],
    ['syncNow', { days: 3 }],
    ['pause', { until: 'tomorrow' }],
    ['resume', [1]],
    ['disconnect', { purge: 'everything' }],
    ['disconnect', 'please'],
  )
  .map(([signal, input]) => ({ do: 'malformed', signal, input }));

const order: fc.Arbitrary<Order> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('syncNow') }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('syncDays'), daysAgo, length: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('syncOutside'), side: fc.constantFrom('before', 'after') }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('pause') }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('resume') }) },
  {
    weight: 9,
    arbitrary: fc.record({
      do: fc.constant('rotate'),
      to: fc.constantFrom('good', 'good', 'good', 'revoked', 'forbidden', 'foreign', 'unknown', 'same'),
      thenRevoke: fc.constantFrom('nothing', 'nothing', 'old', 'new'),
    }),
  },
  { weight: 3, arbitrary: malformed },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('terminate') }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('disconnect'), purge: fc.boolean() }) },
);

const turn: fc.Arbitrary<Turn> = fc.record({
  changes: fc.oneof(
    { weight: 2, arbitrary: fc.constant([]) },
    { weight: 3, arbitrary: fc.array(change, { minLength: 1, maxLength: 2 }) },
  ),
  orders: fc.oneof(
    { weight: 1, arbitrary: fc.constant([]) },
    { weight: 3, arbitrary: fc.array(order, { minLength: 1, maxLength: 3 }) },
  ),
});

/** Lives of so many rounds. */
export function sequences(rounds: number): fc.Arbitrary<Sequence> {
  return fc.record({
    backfillDays: fc.constantFrom(1, 2, 3, 4, 5, 5, 33),
    start: fc.constantFrom('good', 'good', 'good', 'good', 'good', 'good', 'revoked', 'unanswered'),
    turns: fc.array(turn, { minLength: rounds, maxLength: rounds }),
  });
}

/** So many rounds, as they are for all. In one of them, but for the last, a day passes, or in none. */
export function roundPlans(rounds: number): fc.Arbitrary<RoundPlan[]> {
  const plan: fc.Arbitrary<RoundPlan> = fc.record({
    step: fc.constantFrom('moment', 'moment', 'hours', 'midnight'),
    calm: fc.constantFrom(true, true, false),
  });
  return fc
    .tuple(fc.oneof(fc.nat(rounds - 2), fc.constant(null)), fc.array(plan, { minLength: rounds, maxLength: rounds }))
    .map(([long, plans]) => plans.map((of, number) => (number === long ? { ...of, step: 'day' } : of)));
}
