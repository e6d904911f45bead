import { expect, test } from 'vitest';
import { checksumOf, checksumOfBytes } from '../../../src/migrations/checksum.ts';
import { decodeProblem, textOf } from '../../../src/migrations/decode.ts';

test('a byte order mark of UTF-8 is dropped and everything else kept, line ends too', () => {
  const bytes = Buffer.from("\uFEFFselect 'é𝄞';\r\n", 'utf8');
  expect(decodeProblem(bytes)).toBeNull();
  expect(textOf(bytes)).toBe("select 'é𝄞';\r\n");
});

test.each([
  ['UTF-16LE with its mark', Buffer.from('\uFEFFselect 1;', 'utf16le'), 'UTF-16LE'],
  ['UTF-16BE with its mark', Buffer.from('\uFEFFselect 1;', 'utf16le').swap16(), 'UTF-16BE'],
  ['UTF-16LE without a mark', Buffer.from('select 1;', 'utf16le'), 'UTF-16LE'],
  ['UTF-16BE without a mark', Buffer.from('select 1;', 'utf16le').swap16(), 'UTF-16BE'],
  ['UTF-32LE', Buffer.from([0xff, 0xfe, 0, 0, 0x61, 0, 0, 0]), 'UTF-32LE'],
])('%s is refused by its name with the command that converts it', (_title, bytes, encoding) => {
  expect(decodeProblem(bytes)).toEqual({
    message: `the file is encoded in ${encoding}`,
    hint: `save it as UTF-8, for example: iconv -f ${encoding} -t UTF-8`,
  });
});

test.each([
  ['a NUL byte', Buffer.from('select 1;\nselect \0;\n'), /NUL byte/, 2],
  ['a NUL byte in the first line', Buffer.from('a\0'), /NUL byte/, 1],
  ['Latin-1', Buffer.from("select 1;\n\nselect 'caf\xe9';\n", 'latin1'), /not UTF-8/, 3],
  [
    'a character cut off at the end',
    Buffer.concat([Buffer.from('select 1;\n'), Buffer.from([0xe2, 0x82])]),
    /not UTF-8/,
    2,
  ],
])('%s is refused with its line', (_title, bytes, message, line) => {
  expect(decodeProblem(bytes)).toEqual({
    message: expect.stringMatching(message),
    hint: expect.any(String),
    line,
  });
});

test('line ends and a byte order mark do not change a checksum, any other character does', () => {
  // As `sha256sum` says of the file with LF: the value is in ledgers and must never change.
  expect(checksumOf("\uFEFFselect 'é';\r\n")).toBe('fde1557cf24e0bb75cb2ff6002b3a9ede4ee70f4204a0fb93101f02e0796bdd1');
  const checksum = checksumOf('select 1;\n\nselect 2;\n');
  expect(checksumOf('select 1;\r\n\r\nselect 2;\r\n')).toBe(checksum);
  expect(checksumOf('select 1;\r\rselect 2;\r')).toBe(checksum);
  expect(checksumOf('\uFEFFselect 1;\n\r\nselect 2;\n')).toBe(checksum);
  expect(checksumOf('select 1;\nselect 2;\n')).not.toBe(checksum);
  expect(checksumOf('select 1;\n\nselect 2;')).not.toBe(checksum);
});

test.each([
  'select 1;\nselect 2;\n',
  '\uFEFFselect 1;\n',
  "\uFEFFselect 'é';\r\n",
  'select 1;\r\r\nselect 2;\r',
  '\uFEFF',
  '\r',
  '',
])('the bytes of %j have the checksum of the text', (text) => {
  expect(checksumOfBytes(Buffer.from(text))).toBe(checksumOf(text));
});
