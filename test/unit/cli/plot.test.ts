import { expect, test } from 'vitest';
import { bytes } from '../../../src/cli/render/format.ts';
import { plotBytes } from '../../../src/cli/render/plot.ts';
import { fitLine, type Point } from '../../../src/reports/fit-line.ts';

const day = 86_400_000;
const from = Date.UTC(2026, 0, 1);
const points = (...values: readonly number[]): Point[] => values.map((value, at) => ({ at: from + at * day, value }));

const plotted = (list: readonly Point[]) => plotBytes('Size of <a>', list, fitLine(list), bytes);

test('a plot has a dot for each point, round sizes in the unit they are written in, days, and a line with its spread', () => {
  const picture = plotted(points(0, 1.1 * 1024 ** 2, 1.9 * 1024 ** 2, 3.2 * 1024 ** 2, 3.9 * 1024 ** 2));

  expect(picture.match(/<circle /g)).toHaveLength(5);
  expect(picture.match(/[\d.]+ (?:Mi)?B(?=<\/text>)/g)).toEqual(['0 B', '1.0 MiB', '2.0 MiB', '3.0 MiB', '4.0 MiB']);
  expect(picture.match(/2026-01-\d+(?=<\/text>)/g)).toEqual([
    '2026-01-01',
    '2026-01-02',
    '2026-01-03',
    '2026-01-04',
    '2026-01-05',
  ]);
  expect(picture).toMatch(/class="spread" d="M[\d.,LZ]+"/);
  expect(picture).toMatch(/class="line" d="M[\d.,L]+"/);
  expect(picture).toContain('Size of &#60;a&#62;: 0 B on 2026-01-01, 3.9 MiB on 2026-01-05');
});

test('no plot is made of one point or none, and one of empty tables holds numbers alone', () => {
  expect(plotted([])).toBe('');
  expect(plotted(points(5))).toBe('');
  expect(plotted(points(0, 0, 0))).not.toMatch(/NaN|Infinity|undefined|null/);
});
