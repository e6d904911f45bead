import { expect, test } from 'vitest';
import { crossingOf, fitLine } from '../../../src/reports/fit-line.ts';

const day = 86_400_000;
const on = (number: number, value: number) => ({ at: number * day, value });

test('points on a line give that line, and no error', () => {
  expect(fitLine([on(0, 10), on(1, 15), on(2, 20), on(10, 60)])).toEqual({
    end: on(10, 60),
    perDay: 5,
    perDayError: 0,
  });
});

test('scattered points give the least squares line with the interval of the usual table', () => {
  const line = fitLine([on(1, 1), on(2, 3), on(3, 2), on(4, 5), on(5, 4)]);

  // By hand: slope 0.8, residual sum of squares 3.6, freedom 3, t 3.182, spread 10.
  expect(line?.perDay).toBeCloseTo(0.8, 10);
  expect(line?.end).toEqual({ at: 5 * day, value: expect.closeTo(4.6, 10) });
  expect(line?.perDayError).toBeCloseTo(3.182 * Math.sqrt(1.2 / 10), 10);
});

test('one time, however often, gives no line; two give one without an interval', () => {
  expect(fitLine([])).toBeNull();
  expect(fitLine([on(1, 1), on(1, 2)])).toBeNull();
  expect(fitLine([on(1, 1), on(2, 2)])?.perDayError).toBeNull();
});

test('a value is reached when the line gets there, and never by one that falls or hardly rises', () => {
  const line = { end: on(100, 1000), perDay: 10, perDayError: 5 };

  expect(crossingOf(line, 1300)).toEqual({ at: 130 * day, earliest: 120 * day, latest: 160 * day });
  expect(crossingOf({ ...line, perDayError: 10 }, 1300).latest).toBeNull();
  expect(crossingOf({ ...line, perDay: -1, perDayError: null }, 1300)).toEqual({
    at: null,
    earliest: null,
    latest: null,
  });
  expect(crossingOf({ ...line, perDay: 1e-6, perDayError: 0 }, 1300).at).toBeNull();
});
