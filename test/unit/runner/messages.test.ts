import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { MigrationFile } from '../../../src/migrations/migration.ts';
import { parseMigrationText } from '../../../src/migrations/parse-file.ts';
import { messagesOf as generatedMessages, rowsOf } from '../../../src/runner/messages.ts';

const messagesOf = (file: MigrationFile) => [...generatedMessages(file)];
const parse = (text: string) =>
  parseMigrationText(text, { path: 'm.up.sql', direction: 'up', allowEmpty: true, transaction: 'strict' }).file;

test('a file without COPY data is one message, byte for byte', () => {
  const text = "-- a\nCREATE TABLE a (t text DEFAULT ';');\nSELECT 'é𝄞';\n";

  expect(messagesOf(parse(text))).toEqual([{ kind: 'sql', text, offset: 0, end: text.length }]);
});

test('COPY data travels by itself, and what stands before and behind it keeps its place in the file', () => {
  const text = 'SELECT 1;\nCOPY a FROM stdin;\n1\n2\n\\.\nSELECT 2;\ncopy b from stdin;\n\\.\n';

  const messages = messagesOf(parse(text));

  expect(
    messages.map((message) => [
      message.kind,
      message.text.trim(),
      message.kind === 'copy' ? [...rowsOf(text, message.data)].join('') : null,
    ]),
  ).toEqual([
    ['sql', 'SELECT 1;', null],
    ['copy', 'COPY a FROM stdin', '1\n2\n'],
    ['sql', 'SELECT 2;', null],
    ['copy', 'copy b from stdin', ''],
  ]);
  for (const message of messages) expect(text.slice(message.offset).startsWith(message.text)).toBe(true);
});

test('a CREATE INDEX IF NOT EXISTS ends its message, so that what became of it can be asked for at once', () => {
  const text =
    'BEGIN; SELECT 1; create unique index if not exists a_id on a (id) /* ; */ ; -- why\nSELECT 2;\nCREATE INDEX IF NOT EXISTS ON a (id);\nCOMMIT;\n';
  const file = parse(text);

  const messages = messagesOf(file);

  expect(
    messages.map((message) => [
      message.text.trim(),
      message.kind === 'sql' && message.last !== undefined ? file.statements.indexOf(message.last) : null,
    ]),
  ).toEqual([
    ['; SELECT 1; create unique index if not exists a_id on a (id) /* ; */ ; -- why', 2],
    ['SELECT 2;\nCREATE INDEX IF NOT EXISTS ON a (id);', 4],
    [';', null],
  ]);
  expect(messages.map((message) => message.text).join('')).toHaveLength(text.length);
});

test("the file's own BEGIN and COMMIT are blanked, so that every other character keeps its line and column", () => {
  const text = 'BEGIN\n  ISOLATION LEVEL SERIALIZABLE;\nSELECT nope;\r\nCOMMIT;\n';

  const [message, ...others] = messagesOf(parse(text));

  expect(others).toEqual([]);
  expect(message?.text).toBe(`     \n${' '.repeat(30)};\nSELECT nope;\r\n      ;\n`);
});

test('characters are neither lost nor moved by what is blanked, whatever surrounds it', () => {
  const filler = fc.stringMatching(/^[a-zé𝄞 \n]*$/u);
  fc.assert(
    fc.property(filler, filler, (before, behind) => {
      const text = `/* ${before} */ BEGIN; SELECT '${behind}'; COMMIT; /* ${before} */`.replaceAll('\n', ' \n');
      const sent = messagesOf(parse(`${text}\n`))
        .map((message) => message.text)
        .join('');
      const points = [...text];
      const kept = [...sent];
      expect(kept.length).toBe(points.length + 1);
      for (const [at, point] of points.entries()) expect([point, ' ']).toContain(kept[at]);
      expect(sent).toContain(`SELECT '${behind.replaceAll('\n', ' \n')}'`);
      expect(sent).not.toMatch(/BEGIN|COMMIT/);
    }),
    { numRuns: 200 },
  );
});
