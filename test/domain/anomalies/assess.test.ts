import { describe, expect, test } from 'vitest';
import { effectOf } from '../../../domain/anomalies/assess.ts';
import { SENSITIVITIES, type Feedback, type SettledDay } from '../../../domain/anomalies/incident.ts';
import { addDecimals, subtractDecimals, toDecimal } from '../../../domain/money.ts';
import { applied, assess, dayAt, incidentsOf, lived, organization, settled, told, type Events } from './series.ts';

/** A Tuesday after eleven weeks. */
const P = 82;
const NORMAL: Events = () => null;
const spike: Events = ({ place, workspace }) => (place === P && workspace === 'alpha' ? 3 : null);
const rise: Events = ({ place, workspace }) => (place >= P && workspace === 'beta' ? 1.8 : null);

/** The only incident of days. */
function only(days: readonly SettledDay[]) {
  const incidents = incidentsOf(assess(days));
  expect(incidents).toHaveLength(1);
  const [incident] = incidents;
  if (incident === undefined) throw new Error('no incident');
  return incident;
}

describe('what is found', () => {
  test('a regular organization has no incident at medium sensitivity', () => {
    expect(assess(organization(200, NORMAL))).toEqual([]);
  });

  test('a spike of one workspace is one incident of that workspace, found on its day', () => {
    const incident = only(organization(P + 10, spike));
    expect(incident).toMatchObject({
      kind: 'spike',
      direction: 'up',
      cause: [{ dimension: 'workspace', value: 'alpha' }],
      firstDay: dayAt(P),
      lastDay: dayAt(P),
      daysToDetection: 1,
      state: 'closed',
      end: 'back',
    });
  });

  test('a spike of everything has no cause but the whole spend', () => {
    const incident = only(
      organization(P + 10, ({ place, workspace }) => (place === P && workspace !== 'fresh' ? 2 : null)),
    );
    expect(incident).toMatchObject({ kind: 'spike', cause: [], explained: 1 });
  });

  test('a spike of one model in one workspace says both', () => {
    const incident = only(
      organization(P + 10, ({ place, workspace, model }) =>
        place === P && workspace === 'gamma' && model === 'opus' ? 4 : null,
      ),
    );
    const conditions = [...incident.cause, ...incident.within];
    expect(conditions).toContainEqual({ dimension: 'workspace', value: 'gamma' });
    expect(conditions).toContainEqual({ dimension: 'model', value: 'opus' });
    expect(incident.cause).toHaveLength(1);
  });

  test('a rise of everything by 30 % is found within three days, and is the new normal after two weeks', () => {
    const days = organization(P + 60, ({ place, workspace }) => (place >= P && workspace !== 'fresh' ? 1.3 : null));
    const incident = only(days);
    expect(incident).toMatchObject({ kind: 'level_shift', direction: 'up', firstDay: dayAt(P), end: 'new_normal' });
    expect(incident.daysToDetection).toBeLessThanOrEqual(3);
  });

  test('spend that grows by 2 % a day is a drift', () => {
    const days = organization(P + 40, ({ place, workspace }) =>
      place >= P && workspace === 'alpha' ? 1.02 ** (place - P + 1) : null,
    );
    expect(only(days)).toMatchObject({ kind: 'drift', cause: [{ dimension: 'workspace', value: 'alpha' }] });
  });

  test('spend that falls away for two days is one drop', () => {
    const days = organization(P + 10, ({ place, workspace }) =>
      (place === P || place === P + 1) && workspace === 'alpha' ? 0.1 : null,
    );
    expect(only(days)).toMatchObject({ kind: 'drop', direction: 'down', firstDay: dayAt(P), lastDay: dayAt(P + 1) });
  });

  test('one model that replaces another is one offsetting move that names both', () => {
    const days = organization(P + 10, ({ place, workspace, model }) =>
      place >= P && workspace === 'alpha' ? (model === 'opus' ? 0.4 : 1.9) : null,
    );
    const incident = only(days);
    expect(incident.kind).toBe('offsetting');
    expect([...incident.cause, ...incident.counterpart].map(({ value }) => value).sort()).toEqual(['opus', 'sonnet']);
  });

  test('a new workspace is found on its first day', () => {
    const days = organization(P + 40, ({ place, workspace }) => (place >= P && workspace === 'fresh' ? 1 : null));
    expect(only(days)).toMatchObject({
      kind: 'new_spend',
      cause: [{ dimension: 'workspace', value: 'fresh' }],
      firstDay: dayAt(P),
      daysToDetection: 1,
    });
  });

  test('fourteen days or fewer are too few to judge', () => {
    expect(assess(organization(14, ({ place }) => (place === 13 ? 9 : null)))).toEqual([]);
  });

  test('a lower sensitivity finds nothing that a higher one does not', () => {
    const days = organization(
      P + 30,
      ({ place, workspace }) => (place % 20 === 2 && place > 30 && workspace !== 'fresh' ? 1.15 + place / 200 : null),
      0.12,
    );
    const [low, medium, high] = SENSITIVITIES.map((name) => incidentsOf(assess(days, [], name)).map(({ key }) => key));
    expect(high).toEqual(expect.arrayContaining(medium ?? []));
    expect(medium).toEqual(expect.arrayContaining(low ?? []));
    expect(high?.length).toBeGreaterThan(0);
  });
});

describe('exact figures', () => {
  test('the excess is the exact sum of the lines of the cause less what was expected', () => {
    const days = organization(P + 10, rise);
    const incident = only(days);
    const lines = days
      .filter(({ day }) => day >= incident.firstDay && day <= incident.lastDay)
      .flatMap(({ groups }) => groups.filter(({ dimensions }) => dimensions['workspace'] === 'beta'));
    expect(incident.observed).toBe(addDecimals(lines.map(({ usd }) => usd)));
    expect(incident.expected).toBe(addDecimals(incident.days.map((day) => day.expected)));
    expect(incident.excess).toBe(subtractDecimals(incident.observed, incident.expected));
  });

  test('volume, mix, price and unmatched add up to the change', () => {
    const { change } = only(organization(P + 10, rise));
    expect(addDecimals([change.volume, change.mix, change.price, change.unmatched])).toBe(change.change);
    expect(subtractDecimals(change.after, change.before)).toBe(change.change);
    expect(Number(change.volume) / Number(change.change)).toBeCloseTo(1, 1);
  });

  test('a price that doubles is a change of price', () => {
    const before = organization(P + 10, NORMAL);
    const days = before.map((day, place) =>
      place < P
        ? day
        : settled(
            place,
            day.groups.map((group) => ({ ...group, usd: toDecimal(String(Number(group.usd) * 2)) })),
          ),
    );
    const { change } = only(days);
    expect(Number(change.price) / Number(change.change)).toBeCloseTo(1, 1);
  });
});

describe('what is stored', () => {
  test('the same verdicts stored twice change nothing', () => {
    const days = organization(P + 10, rise);
    expect(assess(days, applied([], assess(days)))).toEqual([]);
  });

  test('an incident keeps its identity while days come, and is what a first look at all of them would find', () => {
    const days = organization(P + 20, rise);
    const stored = lived(days, P - 2);
    expect(stored).toHaveLength(1);
    expect(stored.map(({ incident }) => incident)).toEqual(incidentsOf(assess(days)));
  });

  test('a restatement that undoes an incident withdraws it, with a note', () => {
    const stored = lived(organization(P + 2, spike), P);
    const verdicts = assess(organization(P + 2, NORMAL), stored);
    expect(verdicts).toMatchObject([{ verdict: 'withdraw', incident: { state: 'withdrawn', end: 'restated' } }]);
    expect(verdicts[0]?.incident.sentence).toContain('no longer show it');
    expect(assess(organization(P + 2, NORMAL), applied(stored, verdicts))).toEqual([]);
  });

  test('a restatement also takes back what somebody called real, and nothing that somebody dismissed', () => {
    const days = organization(P + 3, spike);
    const stored = lived(days, P);
    const key = stored[0]?.incident.key ?? '';
    const closed = applied(stored, assess(days, stored));
    expect(closed).toMatchObject([{ incident: { state: 'closed' } }]);
    const verdictsAfter = (feedback: Feedback): number =>
      assess(organization(P + 3, NORMAL), told(closed, key, feedback)).length;
    expect((['real', 'expected', 'wrong'] as const).map(verdictsAfter)).toEqual([1, 0, 0]);
  });

  test('days from today on are never judged', () => {
    const days = organization(P + 1, spike);
    expect(assess(days.slice(0, P))).toEqual([]);
    expect(assess(days)).toHaveLength(1);
  });
});

describe('feedback', () => {
  const again: Events = ({ place, workspace }) =>
    (place === P || place === P + 20) && workspace === 'alpha' ? 3 : null;
  const small: Events = ({ place, workspace }) =>
    workspace === 'alpha' && place === P ? 3 : workspace === 'alpha' && place === P + 20 ? 1.35 : null;

  test('an expected spike does not open again; without feedback it does', () => {
    const stored = lived(organization(P + 3, again), P);
    const key = stored[0]?.incident.key ?? '';
    expect(lived(organization(P + 23, again), P + 23, stored)).toHaveLength(2);
    expect(lived(organization(P + 23, again), P + 23, told(stored, key, 'expected'))).toHaveLength(1);
  });

  test('an expected level is the normal one at once', () => {
    const days = organization(P + 6, rise);
    const stored = lived(days, P);
    const verdicts = assess(days, told(stored, stored[0]?.incident.key ?? '', 'expected'));
    expect(verdicts).toMatchObject([{ verdict: 'close', incident: { end: 'expected' } }]);
  });

  test('after a wrong one, the next of its cause must be clearer', () => {
    const stored = lived(organization(P + 3, small), P);
    const key = stored[0]?.incident.key ?? '';
    expect(lived(organization(P + 23, small), P + 23, stored)).toHaveLength(2);
    const wrong = told(stored, key, 'wrong');
    const earlier = wrong.flatMap(({ incident, feedback }) =>
      [10, 20].map((days) => ({ feedback, incident: { ...incident, key: `${days}`, firstDay: dayAt(P - days) } })),
    );
    const all = lived(organization(P + 23, small), P + 23, [...wrong, ...earlier]);
    expect(all).toHaveLength(3);
  });

  test('feedback says what it changes', () => {
    const stored = told(lived(organization(P + 3, spike), P), `up [["workspace","alpha"]] ${dayAt(P)}`, 'wrong');
    expect(stored.map(effectOf)).toEqual([
      'This was no anomaly. Rises of workspace alpha must now be 1.5 times as clear to open an incident.',
    ]);
  });
});
