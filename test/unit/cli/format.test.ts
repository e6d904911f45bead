import { expect, test } from 'vitest';
import {
  bytes,
  count,
  cutTo,
  duration,
  moment,
  shortList,
  table,
  widthOf,
  wrapped,
} from '../../../src/cli/render/format.ts';

test.for([
  [0, '0.0 ms'],
  [0.42, '0.4 ms'],
  [43.4, '43 ms'],
  [1234, '1.2 s'],
  [185_000, '3 min 5 s'],
] as const)('%d milliseconds are shown as %s', ([milliseconds, text]) => {
  expect(duration(milliseconds)).toBe(text);
});

test.for([
  [999.7, /^(1000 ms|1\.0 s)$/],
  [59_960, /^(60\.0 s|1 min 0 s)$/],
] as const)('%d milliseconds are rounded without a gap', ([milliseconds, text]) => {
  expect(duration(milliseconds)).toMatch(text);
});

test.for([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [3.4 * 1024 ** 2, '3.4 MiB'],
  [2 * 1024 ** 5, '2048.0 TiB'],
] as const)('%d bytes are shown as %s', ([number, text]) => {
  expect(bytes(number)).toBe(text);
});

test('one thing has no plural, none and several have', () => {
  expect([0, 1, 2].map((number) => count(number, 'migration'))).toEqual([
    '0 migrations',
    '1 migration',
    '2 migrations',
  ]);
});

test('a moment is shown in UTC whatever the clock of this machine says', () => {
  expect(moment(new Date('2026-11-22T10:31:04.999+02:00').toISOString())).toBe('2026-11-22 08:31:04 UTC');
});

test('columns line up by characters, and colour takes no room', () => {
  const red = (text: string) => `\u001b[31m${text}\u001b[39m`;

  expect(
    table([
      [{ text: 'é𝄞', paint: red }, { text: '1', right: true }, { text: 'end' }],
      [{ text: 'long' }, { text: '100', right: true }, { text: '' }],
    ]),
  ).toBe(`${red('é𝄞')}      1  end\nlong  100`);
});

test('a long list is cut, and says how much is not shown', () => {
  expect(shortList(['a', 'b', 'c'], 2)).toBe('  a\n  b\n  … and 1 more');
  expect(shortList(['a', 'b'], 2)).toBe('  a\n  b');
});

test.for([
  ['plain', 5],
  ['é…±█', 4],
  ['表の名', 6],
  ['🐘x', 3],
  ['👩‍👩‍👧', 2],
  ['e\u0301\u200b', 1],
] as const)('%s takes %i columns of a terminal', ([text, columns]) => {
  expect(widthOf(text)).toBe(columns);
});

test('a text is broken between words, indented from its second line on, and a long word stays whole', () => {
  expect(wrapped('one two three four five six', 20, { indent: 2, taken: 6 })).toBe('one two three\n  four five six');
  expect(wrapped(`see ${'x'.repeat(30)} there`, 20)).toBe(`see\n${'x'.repeat(30)}\nthere`);
  expect(wrapped('one two', Number.POSITIVE_INFINITY)).toBe('one two');
});

test('a text is cut at so many columns, between characters', () => {
  expect(cutTo('表の名', 6)).toBe('表の名');
  expect(cutTo('表の名x', 6)).toBe('表の…');
  expect(cutTo('abcdef', 4)).toBe('abc…');
});
