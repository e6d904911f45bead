import { expect, test } from 'vitest';
import { boundLiteral, parseBound } from '../../../src/partitions/bounds.ts';
import { instantOf } from '../../../src/partitions/calendar.ts';

const at = (text: string) => instantOf(new Date(text));

const bounds = [
  ["FOR VALUES FROM ('2026-12-01 00:00:00+00') TO ('2027-01-01 00:00:00+00')", '2026-12-01', '2027-01-01'],
  ["FOR VALUES FROM ('2026-12-01 00:00:00') TO ('2027-01-01 00:00:00')", '2026-12-01', '2027-01-01'],
  ["FOR VALUES FROM ('2026-12-01') TO ('2027-01-01')", '2026-12-01', '2027-01-01'],
] as const;

test.for(bounds)('%s is read as its two instants', ([text, from, to]) => {
  expect(parseBound(text)).toEqual({ from: at(`${from}T00:00:00Z`), to: at(`${to}T00:00:00Z`) });
});

test('microseconds and years before our era are read', () => {
  expect(parseBound("FOR VALUES FROM ('0044-03-15 12:00:00.000001+00 BC') TO ('2026-11-22 01:02:03.4+00')")).toEqual({
    from: at('-000043-03-15T12:00:00Z') + 1n,
    to: at('2026-11-22T01:02:03.400Z'),
  });
});

test('open ends are open, whether MINVALUE or infinity', () => {
  expect(parseBound("FOR VALUES FROM (MINVALUE) TO ('infinity')")).toEqual({ from: null, to: null });
});

test('the DEFAULT partition is told from ranges, and ranges of other things are none of times', () => {
  expect(parseBound('DEFAULT')).toBe('default');
  expect(parseBound('FOR VALUES FROM (1) TO (10)')).toBeNull();
  expect(parseBound("FOR VALUES FROM ('2026-12-01', MINVALUE) TO ('2027-01-01', MINVALUE)")).toBeNull();
  expect(parseBound("FOR VALUES IN ('a', 'b')")).toBeNull();
  expect(parseBound("FOR VALUES FROM ('a') TO ('b')")).toBeNull();
});

test('a bound is written so that no time zone of a session moves it', () => {
  const instant = at('2026-12-01T00:00:00Z');

  expect([
    boundLiteral('date', instant),
    boundLiteral('timestamp', instant),
    boundLiteral('timestamptz', instant),
  ]).toEqual(['2026-12-01', '2026-12-01 00:00:00', '2026-12-01 00:00:00+00']);
});
