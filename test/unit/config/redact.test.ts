import { expect, test } from 'vitest';
import { resolveConnection } from '../../../src/config/connection/resolve.ts';
import { redactText, secretsOf } from '../../../src/config/redact.ts';
import { surroundings } from './surroundings.ts';

test.each([
  ['postgresql://anna:s3cr3t@db/x', 'postgresql://anna:[secret]@db/x'],
  ['to postgres://anna:p@ss/wd@db/x failed', 'to postgres://anna:[secret]@db/x failed'],
  ["ALTER ROLE a PASSWORD 'x''y' VALID UNTIL 'z'", "ALTER ROLE a PASSWORD [secret] VALID UNTIL 'z'"],
  ["alter role a password E'x\\'y'", 'alter role a password [secret]'],
  ['ALTER ROLE a PASSWORD $q$x$y$q$;', 'ALTER ROLE a PASSWORD [secret];'],
  ["CONNECTION 'host=h password=abc dbname=d'", "CONNECTION 'host=h password=[secret] dbname=d'"],
  ["password = 'a b' user=c", 'password = [secret] user=c'],
  ['?sslpassword=abc&x=1', '?sslpassword=[secret]&x=1'],
  ["alter role x password 'Kanarienvo", 'alter role x password [secret]'],
  ["alter role x password E'a\\", 'alter role x password [secret]'],
  ['alter role x password $q$Kanarien', 'alter role x password [secret]'],
  ["CONNECTION 'host=h password=''a b'' dbname=d'", "CONNECTION 'host=h password=[secret] dbname=d'"],
  ["password='a b", 'password=[secret]'],
  ['password="a b" user=c', 'password=[secret] user=c'],
  ['password authentication failed for user "anna"', 'password authentication failed for user "anna"'],
  ['https://example.com/path', 'https://example.com/path'],
])('%j is shown as %j although no secret is known', (text, shown) => {
  expect(redactText(text, [])).toBe(shown);
});

test('every form of a known secret is taken out, the longest first', () => {
  const text = `a hunter2 b hunter2@" c ${encodeURIComponent('hunter2@"')} d hunter2@\\" e O''Neil`;
  expect(redactText(text, ['hunter2', 'hunter2@"', "O'Neil"])).toBe(
    'a [secret] b [secret] c [secret] d [secret] e [secret]',
  );
});

test('a password of three letters is left to the patterns, so that sentences survive', () => {
  expect(redactText('the table of anna', ['the', 'of'])).toBe('the table of anna');
});

test('a password equal to the role or the database is no secret to take out of every sentence', async () => {
  const { parameters } = await resolveConnection(
    'postgresql://pulse:pulse@h1,h2/pulse?sslpassword=keyword1',
    'x',
    await surroundings(),
  );
  expect(parameters && secretsOf(parameters)).toEqual(['keyword1']);
});
