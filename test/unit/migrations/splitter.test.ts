import { describe, expect, test } from 'vitest';
import { splitStatements } from '../../../src/migrations/splitter.ts';

function cut(text: string): readonly string[] {
  const { statements, problems } = splitStatements(text);
  expect(problems).toEqual([]);
  return statements.map(({ start, end }) => text.slice(start, end));
}

/** The problems as line:offset-free facts: what the text at the place begins with, and the message. */
function problemsOf(text: string): readonly { at: string; message: string; hint: string }[] {
  return splitStatements(text).problems.map(({ offset, message, hint }) => ({
    at: text.slice(offset, offset + 12),
    message,
    hint,
  }));
}

describe('what the parser test cannot compare', () => {
  test.each([
    [
      "a comment between the parts of a literal keeps the first part's backslashes",
      "select E'a' -- it's\n 'b\\'; c';d",
      ["select E'a' -- it's\n 'b\\'; c'", 'd'],
    ],
    [
      'a block comment between two literals does not join them',
      "select E'a' /*\n*/ '\\';b",
      ["select E'a' /*\n*/ '\\'", 'b'],
    ],
    ['a last statement needs no semicolon', 'select 1; select 2 -- end', ['select 1', 'select 2']],
    ['semicolons alone are no statements', ';; ;/* x */;\n', []],
    ['a text of comments holds none', '-- a\n/* b; */', []],
    ['a name that ends like a prefix leaves the quote its own rules', "select note'\\';x", ["select note'\\'", 'x']],
    ['a non-breaking space is part of a name, as for the server', "select\u00a0e'\\';x", ["select\u00a0e'\\'", 'x']],
    ['a dollar inside a name opens nothing', 'select a$b$;c$b$;', ['select a$b$', 'c$b$']],
    ['a closing parenthesis too many does not hide semicolons', 'select 1); select 2;', ['select 1)', 'select 2']],
  ])('%s', (_title, text, statements) => {
    expect(cut(text)).toEqual(statements);
  });

  test.each([
    [
      'create /* x */ Unique\nindex -- y\n concurrently i on t (a)',
      ['CREATE', 'UNIQUE', 'INDEX', 'CONCURRENTLY', 'I', 'ON', 'T'],
    ],
    ['vacuum (full) t', ['VACUUM']],
    ['drop index "x"', ['DROP', 'INDEX']],
    ['a b c d e f g h i j', ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H']],
    ['selectı ß', ['SELECTı', 'ß']],
  ])('the keywords of %j are its first plain words with ASCII letters folded', (text, keywords) => {
    expect(splitStatements(text).statements[0]?.keywords).toEqual(keywords);
  });
});

test('a body inside another one, which the grammar takes, ends at its own END and hides none of its semicolons', () => {
  const outer = "create procedure p() begin atomic create function f() returns int begin atomic select ';'; end; end";
  const alias = 'create procedure p() begin atomic create or replace view v as select 1 from begin atomic; end';
  expect(cut(`${outer};\nselect 1; ${alias}; select 2`)).toEqual([outer, 'select 1', alias, 'select 2']);
});

describe('COPY data', () => {
  function copies(text: string): readonly (string | null)[] {
    const { statements, problems } = splitStatements(text);
    expect(problems).toEqual([]);
    return statements.map(({ copyData }) => copyData && text.slice(copyData.start, copyData.end));
  }

  test.each([
    [
      'data lines may hold what would be quotes in SQL',
      "copy t from stdin;\n1\tit's; $$ /*\n\\.\nselect 1;",
      ["1\tit's; $$ /*\n", null],
    ],
    [
      'options, columns and any case are understood',
      'Copy public."T" (a, "b;") From /* x */ StdIn With (format csv, delimiter \';\'); -- go\r\na;b\r\n\\.\r\nselect 1',
      ['a;b\r\n', null],
    ],
    ['data may be absent', 'copy t from stdin;\n\\.\n', ['']],
    ['the end may be the end of the file', 'copy t from stdin;\n1\n\\.', ['1\n']],
    [
      'a dot behind a backslash elsewhere does not end them',
      'copy t from stdin;\na\\.\n\\.b\n \\.\n\\.\n',
      ['a\\.\n\\.b\n \\.\n'],
    ],
    [
      'two in a row each have their own',
      'copy a from stdin;\n1\n\\.\ncopy b from stdin where x > 1;\n2\n\\.\n',
      ['1\n', '2\n'],
    ],
    ['a query copied out has none', "copy (select a from stdin) to stdout;\nselect 'x';", [null, null]],
    [
      'a file or a program brings its own',
      "copy t from 'stdin';copy t from program 'stdin';\nselect 1",
      [null, null, null],
    ],
    ['only COPY has them', 'select a from stdin;\nselect 1;', [null, null]],
  ])('%s', (_title, text, data) => {
    expect(copies(text)).toEqual(data);
  });

  test('data without an end are refused at the COPY', () => {
    const expected = {
      at: 'COPY t FROM ',
      message: 'the data of this COPY … FROM stdin have no end',
      hint: 'end the data by a line that is \\. and nothing else',
    };
    expect(problemsOf('select 1;\nCOPY t FROM stdin;\n1\n')).toEqual([expected]);
    expect(problemsOf('COPY t FROM stdin')).toEqual([expected]);
  });

  test('SQL on the line of a COPY is refused, since it would run after the data', () => {
    expect(problemsOf('copy t from stdin; select 1;\n1\n\\.\n')[0]).toEqual({
      at: ' select 1;\n1',
      message: 'there is more after COPY … FROM stdin on its line; the data begin on the next',
      hint: 'put what follows the semicolon below the line \\. that ends the data',
    });
  });
});

describe('commands of psql', () => {
  test('restrict lines of a dump are set apart from the statements', () => {
    const text = "\\restrict aB3'x\nselect 1;\n\\unrestrict aB3'x\n";
    const { statements, problems, metaCommands } = splitStatements(text);
    expect(problems).toEqual([]);
    expect(statements.map(({ start, end }) => text.slice(start, end))).toEqual(['select 1']);
    expect(metaCommands.map(({ start, end }) => text.slice(start, end))).toEqual([
      "\\restrict aB3'x",
      "\\unrestrict aB3'x",
    ]);
  });

  test.each([
    ['\\connect other', '\\connect', /--database-url/],
    ['\\i more.sql', '\\i', /content of that file/],
    ['\\set x 1', '\\set', /value where it is used/],
    ['\\copy t from x', '\\copy', /COPY … FROM stdin/],
    ['\\.', '\\.', /COPY above/],
    ['\\unknown', '\\unknown', /delete the line/],
  ])('%s is refused with its remedy, and its quotes do not swallow the rest', (line, word, remedy) => {
    const { problems, statements } = splitStatements(`select 1;\n${line} it's\nselect 2;`);
    expect(problems).toEqual([
      {
        offset: 10,
        message: `${word} is a command of psql; the server does not understand it`,
        hint: expect.stringMatching(remedy),
      },
    ]);
    expect(statements.length).toBe(2);
  });

  test('a command at the end of a statement is refused as well', () => {
    expect(problemsOf('select 1 \\gset\n')[0]).toMatchObject({
      at: '\\gset\n',
      hint: expect.stringContaining('variables'),
    });
  });

  test('of thousands of commands only the first few are told', () => {
    expect(splitStatements('\\echo x\n'.repeat(5000)).problems.length).toBe(20);
  });
});

test.each([
  ["select 'a", "'a", 'the string that begins here has no end'],
  ["select E'a\\'", "E'a\\'", 'the string that begins here has no end'],
  ['select "a; select 1', '"a; select 1', 'the quoted name that begins here has no end'],
  ['select $x$ a $y$ ; $$', '$x$ a $y$ ; ', 'the dollar quote that begins here has no end'],
  ['select /* /* */ 1', '/* /* */ 1', 'the comment that begins here has no end'],
])('%s is refused at the place where the quote or comment begins', (text, at, message) => {
  expect(problemsOf(text)).toEqual([{ at, message, hint: expect.stringMatching(/add|close/) }]);
});

test.each([
  ['one row after another', (n: number) => `insert into t values ${"('a', 1),".repeat(n)} ('b', 2);`, 1],
  ['statement after statement', (n: number) => 'select 1;'.repeat(n), 300_000],
  ['openings of dollar quotes that never open', (n: number) => `select 1${' $a'.repeat(n)};`, 1],
  ['openings of comments', (n: number) => '/*'.repeat(n), 0],
  ['literals that may continue', (n: number) => `select ${"'a' -- x\n".repeat(n)};`, 1],
  ['backslashes and dots that end no data', (n: number) => `copy t from stdin;\n${'a\\.b\n'.repeat(n)}\\.\n`, 1],
  ['open parentheses', (n: number) => `select ${'('.repeat(n)};`, 1],
])('megabytes of %s are read without getting slower from piece to piece', (_title, build, count) => {
  expect(splitStatements(build(300_000)).statements.length).toBe(count);
});
