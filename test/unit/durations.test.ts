import { expect, test } from 'vitest';
import { parseDuration } from '../../src/durations.ts';

test.each([
  ['250ms', 250],
  ['2s', 2_000],
  ['1.5s', 1_500],
  ['5m', 300_000],
  ['10min', 600_000],
  [' 1h ', 3_600_000],
  ['1 d', 86_400_000],
  ['0s', 0],
  ['24d', 2_073_600_000],
])('%j is %i milliseconds', (text, milliseconds) => {
  expect(parseDuration(text)).toBe(milliseconds);
});

test.each([['5'], [''], ['s'], ['-1s'], ['1.5ms'], ['5 minutes'], ['5M'], ['1h30m'], ['1e3s'], ['25d']])(
  '%j is not a duration',
  (text) => {
    expect(parseDuration(text)).toBeNull();
  },
);
