import { expect, test } from 'vitest';
import { rowsInRanges, shareBefore } from '../../../../src/partitions/plan/spread.ts';

test('rows of a histogram lie evenly between its bounds', () => {
  const spread = { bounds: [0n, 100n, 1000n], common: [] };
  expect([-5n, 0n, 50n, 100n, 550n, 1000n, 5000n].map((at) => shareBefore(spread, at))).toEqual([
    0, 0, 0.25, 0.5, 0.75, 1, 1,
  ]);
});

test('common values count with their shares, and the histogram for the rest', () => {
  const spread = {
    bounds: [0n, 100n],
    common: [
      [10n, 0.25],
      [90n, 0.25],
    ] as const,
  };
  expect(shareBefore(spread, 10n)).toBeCloseTo(0.05);
  expect(shareBefore(spread, 11n)).toBeCloseTo(0.305);
  expect(shareBefore(spread, 101n)).toBe(1);
});

test('ranges get their rows, and what lies in none is left for the DEFAULT partition', () => {
  const spread = { bounds: [0n, 100n], common: [[500n, 0.5]] as const };
  const ranges = [
    { from: 0n, to: 50n },
    { from: 50n, to: 100n },
    { from: 100n, to: 200n },
  ];
  expect(rowsInRanges(spread, 1000, ranges)).toEqual({ each: [250, 250, 0], outside: 500 });
});

test('statistics without a histogram, and with none at all, give what they know', () => {
  expect(rowsInRanges({ bounds: [], common: [[5n, 1]] }, 10, [{ from: 0n, to: 10n }])).toEqual({
    each: [10],
    outside: 0,
  });
  expect(rowsInRanges({ bounds: [7n, 7n], common: [] }, 10, [{ from: 0n, to: 10n }])).toEqual({
    each: [10],
    outside: 0,
  });
});
