import fc from 'fast-check';
import { expect, test } from 'vitest';
import { labelsOf, yOf } from '../../console/parts/chart/geometry.ts';

const room = { height: 240, ticks: { min: 0, max: 400_000, at: [] } };
const level = (value: number) => ({ value: String(value), name: '', isLimit: false });

test('no label of a level covers another, leaves the chart or changes places, however close their lines are', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 400_000 }), { minLength: 1, maxLength: 10 }), (values) => {
      const labels = labelsOf(values.map(level), room);
      const inOrder = values.map((value, index) => ({ value, y: labels[index] ?? 0 })).sort((a, b) => a.y - b.y);
      for (const [index, { value, y }] of inOrder.entries()) {
        expect(y).toBeGreaterThanOrEqual(10);
        expect(y).toBeLessThanOrEqual(218);
        const above = inOrder[index - 1];
        if (above === undefined) continue;
        expect(y - above.y).toBeGreaterThanOrEqual(12.9);
        expect(above.value).toBeGreaterThanOrEqual(value);
      }
    }),
  );
});

test('a label with room around it stands right above its line', () => {
  expect(labelsOf([level(200_000), level(100_000)], room)).toEqual([yOf(200_000, room) - 4, yOf(100_000, room) - 4]);
});
