import { describe, expect, it } from 'vitest';
import { certaintyOf, spansOf, type CoveredDay } from '../../console/pages/explore/spans.ts';

function restated(day: string, changed: string, times = 1): CoveredDay {
  const change = { before: '0.5', after: '16643.77', changed, at: '2026-11-30T07:21:00.000Z', times };
  return { day, state: 'final', flagged: false, restated: change };
}

function notesOf(from: string, to: string, coverage: readonly CoveredDay[]): readonly string[] {
  const [span] = spansOf(from, to, from === to ? 'day' : 'month');
  return span === undefined ? [] : certaintyOf(span, coverage).notes;
}

describe('what a bar says about its restatements', () => {
  it('is how much the day changed, and not what it was: that is over fewer connections than the bar', () => {
    const notes = notesOf('2026-11-03', '2026-11-03', [restated('2026-11-03', '16643.27')]);
    expect(notes).toEqual(['The whole day was restated: +$16,643.27 since 30 Nov 2026, 07:21 UTC.']);
  });

  it('is the sum of several, and when the last one was', () => {
    const notes = notesOf('2026-11-03', '2026-11-03', [restated('2026-11-03', '-2', 3)]);
    expect(notes).toEqual([
      'The whole day was restated 3 times: −$2.00 in all, the last time on 30 Nov 2026, 07:21 UTC.',
    ]);
  });

  it('does not call it a change of the total if only lines moved', () => {
    const notes = notesOf('2026-11-03', '2026-11-03', [restated('2026-11-03', '0')]);
    expect(notes).toEqual(['Lines of the day moved, with the same total, on 30 Nov 2026, 07:21 UTC.']);
  });

  it('names each day of a longer bar', () => {
    const notes = notesOf('2026-11-01', '2026-11-30', [restated('2026-11-03', '1'), restated('2026-11-04', '0', 2)]);
    expect(notes).toEqual([
      '3 Nov was restated: +$1.00 since 30 Nov 2026, 07:21 UTC.',
      'Lines of 4 Nov moved, with the same total, last on 30 Nov 2026, 07:21 UTC.',
    ]);
  });
});
