import { expect } from 'vitest';
import { lengthOf } from '../../domain/days.ts';
import { storedCost, storedUsage, trueCost, trueUsage } from '../support/ledger.ts';
import { stateOf } from '../support/state.ts';
import type { Connected, Place } from './support.ts';

/** Expects every line of a connection to equal its organization's ledger, every day to be there and to add up. */
export async function expectLedger(
  { db, simulator }: Place,
  { id, organization, days: { from, to } }: Connected,
): Promise<void> {
  expect(await storedCost(db, id, from, to)).toEqual(trueCost(simulator, from, to, organization));
  expect(await storedUsage(db, id, from, to)).toEqual(trueUsage(simulator, from, to, organization));
  expect(await stateOf(db, id)).toMatchObject({ days: lengthOf({ from, to }), unreconciled: 0, flagged: 0 });
}
