import { expect, test } from 'vitest';
import { findPassword } from '../../../../src/config/connection/password-file.ts';

const question = { host: 'db', port: 5432, database: 'a:b', user: 'an\\na' };

test.each([
  ['a line with every field', 'db:5432:a\\:b:an\\\\na:secret', 'secret'],
  ['wildcards', '*:*:*:*:secret', 'secret'],
  ['a password with an escaped colon and backslash', '*:*:*:*:s\\:e\\\\c', 's:e\\c'],
  ['a password that is a star', '*:*:*:*:*', '*'],
  ['text behind the password', '*:*:*:*:secret:more', 'secret'],
  ['the first of two lines that fit', '*:*:*:*:first\n*:*:*:*:second', 'first'],
  ['a line with the line end of Windows', 'other:*:*:*:no\r\n*:*:*:*:secret\r\n', 'secret'],
  ['a comment above', '#*:*:*:*:no\n*:*:*:*:secret', 'secret'],
  ['another host', 'db2:*:*:*:secret', null],
  ['another port', '*:5433:*:*:secret', null],
  ['another database', '*:*:a:*:secret', null],
  ['another user', '*:*:*:anna:secret', null],
  ['a star with a backslash, which is the character', '\\*:*:*:*:secret', null],
  ['too few fields', '*:*:*:secret', null],
  ['an unfinished escape at the end', '*:*:*:*:secret\\', 'secret\\'],
])('%s: the password is found or not as libpq does', (_case, text, password) => {
  expect(findPassword(text, question)).toBe(password);
});
