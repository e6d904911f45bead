import fc from 'fast-check';
import { expect, test } from 'vitest';
import { locate, offsetOfPosition } from '../../../src/migrations/position.ts';

test.each([
  ['the first character', 'ab\ncd', 0, 1, 1, 'ab'],
  ['a character of the second line', 'ab\ncd', 4, 2, 2, 'cd'],
  ['the end of the text', 'ab\ncd', 5, 2, 3, 'cd'],
  ['a line after CRLF', 'ab\r\ncd', 4, 2, 1, 'cd'],
  ['the second character of a CRLF', 'ab\r\ncd', 3, 1, 3, 'ab'],
  ['a line after a lone CR', 'ab\rcd', 4, 2, 2, 'cd'],
  ['a place behind characters beyond the basic plane', '\n𝄞é€x', 5, 2, 4, '𝄞é€x'],
  ['an empty last line', 'ab\n', 3, 2, 1, ''],
])('%s is told by line and column in characters', (_title, text, offset, line, column, excerpt) => {
  expect(locate(text, offset)).toEqual({ line, column, excerpt, excerptColumn: 1 });
});

test('of a very long line only the part around the place is shown, and the caret still finds it', () => {
  const text = `x\n${'𝄞'.repeat(50_000)}!${'b'.repeat(50_000)}`;
  const place = locate(text, text.indexOf('!'));
  expect(place).toMatchObject({ line: 2, column: 50_001 });
  expect(place.excerpt.length).toBeLessThan(250);
  expect([...place.excerpt][place.column - place.excerptColumn]).toBe('!');
});

test('every position of the server leads to the character it counts', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1 }), fc.nat(), (text, seed) => {
      const characters = [...text];
      const position = (seed % characters.length) + 1;
      const rest = text.slice(offsetOfPosition(text, position));
      expect(rest).toBe(characters.slice(position - 1).join(''));
    }),
  );
});

test('a position behind the end is the end', () => {
  expect(offsetOfPosition('a𝄞', 9)).toBe(3);
});
