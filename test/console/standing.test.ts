import { describe, expect, it } from 'vitest';
import type { components } from '../../console/client/schema.ts';
import { STATUS_NAMES, coverageOf, isMoving, nextReadOf, remedyOf, standingOf } from '../../console/parts/standing.ts';
import { STATUSES } from '../../domain/connection/statuses.ts';
import { FAILURES, FAILURE_CODES } from '../../domain/failures.ts';

type Connection = components['schemas']['Connection'];

const NOW = Date.parse('2026-11-30T06:00:00.000Z');
const LIVE: Connection = {
  id: '0b9f3c1e-6d0a-4f5e-9a59-1c2d3e4f5a6b',
  name: 'Acme',
  status: 'active',
  organization: { id: 'org', name: 'Acme Inc' },
  key: { id: 'key', hint: '7QAA', added_at: '2026-11-01T00:00:00.000Z', last_used_at: null },
  candidate: null,
  backfill: { from: '2026-10-31', to: '2026-11-30', days_done: 12, days_total: 31 },
  covered_from: '2026-10-31',
  covered_through: '2026-11-30',
  missing_days: 0,
  last_sync: null,
  next_sync_at: null,
  error: null,
  waiting: null,
  note: null,
  temporal: { workflow_id: 'connection-x', url: null },
  created_at: '2026-11-01T00:00:00.000Z',
};
const REJECTED: NonNullable<Connection['error']> = {
  code: 'key_invalid',
  message: FAILURES.key_invalid.message,
  action: FAILURES.key_invalid.action,
  at: '2026-11-30T05:58:00.000Z',
  detail: 'invalid x-api-key',
};

function textOf(connection: Connection): string {
  const { title, sentences } = standingOf(connection, NOW);
  return [title, ...sentences].join(' ');
}

describe('where a connection stands', () => {
  it.each(STATUSES)('has sentences and a name for %s', (status) => {
    for (const error of [null, REJECTED]) {
      const { title, sentences } = standingOf({ ...LIVE, status, error }, NOW);
      for (const sentence of [title, ...sentences]) expect(sentence).toMatch(/^[A-Z].*\.$/);
      expect([title, ...sentences].join(' ')).not.toMatch(/undefined|null|rotate-key|_/);
    }
    expect(STATUS_NAMES[status]).toMatch(/^[A-Z]/);
  });

  it('names only statuses that exist', () => {
    expect(Object.keys(STATUS_NAMES).toSorted()).toEqual(STATUSES.toSorted());
  });

  it('says which key is rejected since when, and asks for another', () => {
    const standing = standingOf({ ...LIVE, status: 'awaiting_key', error: REJECTED }, NOW);
    expect(standing.title).toBe('Anthropic rejects the Admin key that ends in 7QAA since 30 Nov 2026, 05:58 UTC.');
    expect(standing.help).toBe('rotate');
    expect(standing.sentences.join(' ')).toContain('No day is lost');
  });

  it.each([
    ['paused', 'resume'],
    ['degraded', 'read'],
    ['refused', 'connect'],
    ['active', null],
  ] as const)('offers for %s the one button that helps: %s', (status, help) => {
    expect(standingOf({ ...LIVE, status }, NOW).help).toBe(help);
  });

  it('does not blame Anthropic for an organization that is connected already', () => {
    const error = { ...REJECTED, code: 'already_connected' as const };
    expect(textOf({ ...LIVE, status: 'refused', error })).not.toContain('Anthropic refused');
    expect(textOf({ ...LIVE, status: 'refused', error: REJECTED })).toContain('Anthropic refused the key');
  });

  it.each([...FAILURE_CODES.filter((code) => FAILURES[code].status === 422 || FAILURES[code].retry !== 'never')])(
    'says what a person does about %s, and names no route and no field of the API',
    (code) => {
      expect(remedyOf({ code, action: FAILURES[code].action })).not.toMatch(/route|[a-z]_[a-z]|\/v1|header|readyz/);
    },
  );

  it('counts the days of a backfill', () => {
    expect(textOf({ ...LIVE, status: 'backfilling', missing_days: 19 })).toContain('12 of 31 days are here');
  });

  it('says what an attempt met, and when the next one begins', () => {
    const waiting = { attempt: 3, error: REJECTED, next_try_at: '2026-11-30T06:00:20.000Z' };
    expect(textOf({ ...LIVE, waiting })).toContain('Attempt 3 failed.');
    expect(textOf({ ...LIVE, waiting })).toContain('The next attempt begins in 20 seconds.');
  });

  it('says that another key waits for its verdict', () => {
    const candidate = { id: 'k', hint: '9ZZZ', state: 'candidate' as const, error: null, next_try_at: null };
    expect(textOf({ ...LIVE, candidate })).toContain('Another key, which ends in 9ZZZ');
    expect(isMoving({ ...LIVE, candidate })).toBe(true);
  });

  it('does not claim days that are not there', () => {
    const nothing = { ...LIVE, covered_from: null, covered_through: null };
    expect(coverageOf(nothing)).toBe('12 of 31 days');
    expect(coverageOf({ ...nothing, backfill: { ...LIVE.backfill, days_done: 0 } })).toBe('No day yet');
    expect(coverageOf({ ...nothing, status: 'refused' })).toBe('No days');
    expect(coverageOf({ ...LIVE, missing_days: 2 })).toBe('31 October – 30 November 2026; 2 days still to be read');
    expect(textOf({ ...LIVE, status: 'disconnected', covered_from: null })).toContain('It has no days.');
  });

  it('says when it reads next, or what it waits for', () => {
    const next_sync_at = '2026-11-30T08:00:00.000Z';
    expect(nextReadOf({ ...LIVE, next_sync_at }, NOW)).toBe('in 2 hours, at 30 Nov 2026, 08:00 UTC');
    expect(nextReadOf({ ...LIVE, status: 'awaiting_key', next_sync_at }, NOW)).toBe('Once Anthropic accepts a key');
    expect(nextReadOf({ ...LIVE, status: 'disconnected' }, NOW)).toBe('–');
  });

  it('looks often while something happens, and not once it has ended', () => {
    expect(STATUSES.filter((status) => isMoving({ ...LIVE, status }))).toEqual([
      'validating',
      'discovering',
      'backfilling',
    ]);
  });
});
