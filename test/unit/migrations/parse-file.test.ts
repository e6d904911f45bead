import { describe, expect, test } from 'vitest';
import { PulseError } from '../../../src/errors.ts';
import { type FileSource, parseMigrationText, parseRecordedFile } from '../../../src/migrations/parse-file.ts';

function parse(text: string, source: Partial<FileSource> = {}) {
  return parseMigrationText(text, {
    path: 'm/1_x.up.sql',
    direction: 'up',
    allowEmpty: false,
    transaction: 'strict',
    ...source,
  });
}

/** The file of a text without problems. */
function accepted(text: string, source: Partial<FileSource> = {}) {
  const { file, problems } = parse(text, source);
  expect(problems).toEqual([]);
  return file;
}

/** What is left of the text when the parts not to be sent are taken out. */
function sent(text: string): string {
  return accepted(text).leftOut.reduceRight((rest, { start, end }) => rest.slice(0, start) + rest.slice(end), text);
}

describe('directives', () => {
  test('all of them are read from the lines above the first statement, among other comments', () => {
    const text = `-- why\n/* long */\n--pulse: no-transaction\n--  pulse:lock-timeout 2s\r\n-- pulse: statement-timeout 10min \nselect 1;`;
    expect(accepted(text)).toMatchObject({
      mode: 'no-transaction',
      directives: { noTransaction: true, irreversible: null, lockTimeoutMs: 2000, statementTimeoutMs: 600_000 },
    });
  });

  test('a down file says why it cannot be undone', () => {
    const file = accepted('-- pulse: irreversible the old prices are gone', { direction: 'down' });
    expect(file.directives.irreversible).toBe('the old prices are gone');
  });

  test('what looks like one in a string, a function body, COPY data or prose is none', () => {
    const text = `-- Pulse: the tables\n-- see pulse: x\nselect '\n-- pulse: a\n', $$\n-- pulse: b\n$$;\ncopy t from stdin;\n-- pulse: c\n\\.\n`;
    expect(accepted(text).mode).toBe('transaction');
  });

  test.each([
    [
      'an unknown name',
      '-- pulse: no-transactions',
      1,
      'no directive has the name no-transactions',
      'did you mean: -- pulse: no-transaction',
    ],
    [
      'a name like no other',
      '-- x\n-- pulse: frobnicate',
      2,
      'no directive has the name frobnicate',
      'directives are: no-transaction, irreversible, lock-timeout, statement-timeout',
    ],
    [
      'the name of a property of objects',
      '-- pulse: constructor',
      1,
      'no directive has the name constructor',
      expect.any(String),
    ],
    ['no name', '-- pulse:', 1, 'a directive without a name', expect.stringContaining('directives are')],
    [
      'a value where none belongs',
      '-- pulse: no-transaction please',
      1,
      'the directive no-transaction cannot be read',
      'it takes no value: -- pulse: no-transaction',
    ],
    [
      'a duration without a unit',
      '-- pulse: lock-timeout 5',
      1,
      'the directive lock-timeout cannot be read',
      expect.stringContaining('-- pulse: lock-timeout 2s'),
    ],
    [
      'a lock timeout of zero',
      '-- pulse: lock-timeout 0s',
      1,
      'the directive lock-timeout cannot be read',
      expect.stringContaining('longer than zero'),
    ],
    [
      'a second one of the same name',
      '-- pulse: lock-timeout 5s\n-- pulse: lock-timeout 6s',
      2,
      'the directive lock-timeout is given twice',
      'keep one of the two lines',
    ],
    [
      'one below the first statement',
      'select 1;\n-- pulse: no-transaction',
      2,
      'the directive no-transaction stands below the first statement',
      'move the line to the top of the file',
    ],
    [
      'one in a block comment',
      '/* pulse: no-transaction */',
      1,
      'a directive inside /* */ does not count',
      'write it as a line: -- pulse: no-transaction',
    ],
  ])('%s is refused with line and cure', (_title, text, line, message, hint) => {
    expect(parse(`${text}\nselect 2;`).problems).toEqual([
      { message, hint, location: { file: 'm/1_x.up.sql', line, column: 1, excerpt: text.split('\n')[line - 1] } },
    ]);
  });

  test('irreversible without a reason is refused in a down file, and with one in an up file', () => {
    expect(parse('-- pulse: irreversible', { direction: 'down' }).problems[0]?.hint).toContain('say why');
    expect(parse('-- pulse: irreversible so\nselect 1').problems).toEqual([
      {
        message: 'the directive irreversible stands in the file that applies the migration',
        hint: 'move the line to m/1_x.down.sql',
        location: { file: 'm/1_x.up.sql' },
      },
    ]);
  });
});

describe('transactions', () => {
  test.each([
    ['BEGIN; select 1; COMMIT;', '; select 1; ;', null],
    ['begin work; select 1; end transaction', '; select 1; ', null],
    [
      'start transaction isolation level serializable, read write, not deferrable;\nselect 1;\ncommit and no chain;',
      ';\nselect 1;\n;',
      'ISOLATION LEVEL SERIALIZABLE, READ WRITE, NOT DEFERRABLE',
    ],
    [
      'BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE; select 1; COMMIT',
      '; select 1; ',
      'ISOLATION LEVEL REPEATABLE READ READ WRITE',
    ],
    ['set transaction isolation level serializable;\nselect 1', ';\nselect 1', 'ISOLATION LEVEL SERIALIZABLE'],
    [
      'begin; set lock_timeout = 1; set local transaction deferrable; select 1; commit',
      '; set lock_timeout = 1; ; select 1; ',
      'DEFERRABLE',
    ],
    ["set transaction snapshot '1-1';", "set transaction snapshot '1-1';", null],
    [
      'savepoint a; select 1; rollback work to savepoint a; release a',
      'savepoint a; select 1; rollback work to savepoint a; release a',
      null,
    ],
    ["\\restrict k'\nselect 1;\n\\unrestrict k'", '\nselect 1;\n', null],
  ])('of %j the parts that ours take the place of are left out', (text, rest, modes) => {
    expect(sent(text)).toBe(rest);
    expect(accepted(text)).toMatchObject({ mode: 'transaction', transactionModes: modes });
  });

  test.each([
    ['select 1;\n  COMMIT;\nselect 2;', 'COMMIT'],
    ['begin;\nrollback;', 'BEGIN|ROLLBACK'],
    ['begin; select 1;\nabort; commit', 'ABORT'],
    ['begin; select 1; begin; select 2; commit', 'BEGIN'],
    ['begin; select 1;', 'BEGIN'],
    ['select 1; commit and chain', 'COMMIT AND CHAIN'],
    ['begin; select 1; commit and chain', 'BEGIN|COMMIT AND CHAIN'],
    ["select 1; prepare transaction 'x'", "PREPARE TRANSACTION 'x'"],
    ['begin frobnicate; commit', 'BEGIN FROBNICATE|COMMIT'],
    ['set x = 1; begin; select 1; commit', 'BEGIN|COMMIT'],
  ])('transaction control elsewhere is refused: %j', (text, statements) => {
    const { problems } = parse(text);
    expect(problems.map(({ message }) => message)).toEqual(
      statements.split('|').map((statement) => `${statement} in a file that runs in one transaction`),
    );
    expect(problems[0]?.hint).toContain('remove it');
  });

  test('transaction control is located', () => {
    expect(parse('select 1;\n  COMMIT;').problems[0]?.location).toEqual({
      file: 'm/1_x.up.sql',
      line: 2,
      column: 3,
      excerpt: '  COMMIT;',
    });
  });

  test('a read-only transaction is refused, since its ledger row could not be written', () => {
    expect(parse('begin read only; select 1; commit').problems).toMatchObject([
      { hint: 'remove READ ONLY', location: { line: 1 } },
    ]);
  });

  test.each(['begin; select 1; commit', 'savepoint a', 'select 1; rollback to a'])(
    'a file without a transaction refuses %j too',
    (text) => {
      const { problems } = parse(`-- pulse: no-transaction\n${text}`);
      expect(problems[0]).toMatchObject({
        message: expect.stringContaining('in a file that runs without a transaction'),
        location: { line: 2 },
      });
    },
  );

  const concurrently = 'create table t (a int);\ncreate index concurrently i on t (a);\nvacuum t;';

  test('a statement that cannot run in a transaction is refused with the line that helps', () => {
    expect(parse(concurrently).problems).toEqual([
      {
        message:
          'CREATE INDEX CONCURRENTLY cannot run in the transaction of its file (and 1 more statement of this file)',
        hint: 'add this line at the top of the file: -- pulse: no-transaction',
        location: { file: 'm/1_x.up.sql', line: 2, column: 1, excerpt: 'create index concurrently i on t (a);' },
      },
    ]);
  });

  test('the directive, or the setting transaction: auto, runs such a file without a transaction', () => {
    expect(accepted(`-- pulse: no-transaction\n${concurrently}`).mode).toBe('no-transaction');
    expect(accepted(concurrently, { transaction: 'auto' }).mode).toBe('no-transaction');
    expect(accepted('select 1', { transaction: 'auto' }).mode).toBe('transaction');
  });

  test('transaction: auto does not take apart what a file puts between BEGIN and COMMIT', () => {
    const { problems } = parse(`begin; ${concurrently} commit;`, { transaction: 'auto' });
    expect(problems.map(({ message }) => message)).toEqual([
      'BEGIN in a file that runs without a transaction',
      'COMMIT in a file that runs without a transaction',
    ]);
  });
});

describe('statements that mean something else in a migration', () => {
  const refused: readonly (readonly [text: string, message: string])[] = [
    ['copy a to stdout;', 'COPY … TO stdout'],
    ['COPY (SELECT 1) TO STDOUT (FORMAT csv);', 'COPY … TO stdout'],
    ['set standard_conforming_strings = off;', 'standard_conforming_strings turned off'],
    ["SET LOCAL standard_conforming_strings TO 'false';", 'standard_conforming_strings turned off'],
    [
      "SELECT pg_catalog.set_config('standard_conforming_strings', 'off', false);",
      'standard_conforming_strings turned off',
    ],
  ];
  test.each(refused)('%s is refused with its place and what to write instead', (text, message) => {
    const { problems } = parse(`select 1;\n${text}`);
    expect(problems).toEqual([
      {
        message: expect.stringContaining(message),
        hint: expect.stringMatching(/delete/),
        location: expect.objectContaining({ line: 2, column: 1 }),
      },
    ]);
  });

  test.each([
    "COPY a TO '/tmp/stdout';",
    'COPY (SELECT a AS "to", b AS stdout FROM c) TO PROGRAM \'cat\';',
    'SET standard_conforming_strings = on;',
    'SET standard_conforming_strings TO DEFAULT;',
    "SELECT set_config('standard_conforming_strings', 'on', false);",
    "SELECT 'SET standard_conforming_strings = off';",
  ])('%s is taken', (text) => {
    expect(parse(text).problems).toEqual([]);
  });
});

describe('files without statements', () => {
  test('an up of comments only is accepted with a warning', () => {
    const { problems, warnings } = parse('-- nothing to do here\n');
    expect(problems).toEqual([]);
    expect(warnings).toEqual([
      { path: 'm/1_x.up.sql', message: 'the file holds comments only: it is recorded, and nothing runs' },
    ]);
  });

  test('a down of comments only is refused unless it says that it is irreversible', () => {
    expect(parse('-- later\n', { direction: 'down' }).problems).toEqual([
      {
        message: 'the file holds comments only, so nothing would be undone',
        hint: expect.stringContaining('this line with the reason: -- pulse: irreversible REASON'),
        location: { file: 'm/1_x.up.sql' },
      },
    ]);
    expect(parse('-- pulse: irreversible gone\n', { direction: 'down' })).toMatchObject({ problems: [], warnings: [] });
  });

  test('a file of zero bytes is refused, and accepted with a warning when allowEmpty is set', () => {
    expect(parse('').problems).toMatchObject([
      { message: 'the file is empty', hint: expect.stringContaining('allowEmpty: true') },
    ]);
    for (const direction of ['up', 'down'] as const) {
      const { problems, warnings } = parse('', { direction, allowEmpty: true });
      expect(problems).toEqual([]);
      expect(warnings.length).toBe(1);
    }
  });
});

test.each([
  ['statements in an irreversible down', '-- pulse: irreversible gone\nselect 1', /its statements never run/],
  ['lines of pg_dump for psql', '\\restrict x\nselect 1;', /are skipped/],
  ['two kinds of line ends', "select '\r\n';\nselect 1;", /mixes line ends/],
])('%s give a warning', (_title, text, message) => {
  const { problems, warnings } = parse(text, { direction: 'down' });
  expect(problems).toEqual([]);
  expect(warnings).toMatchObject([{ path: 'm/1_x.up.sql', message: expect.stringMatching(message) }]);
});

test('a problem of splitting is told with its place, and no others are made up from half a text', () => {
  expect(parse("begin;\nselect 'x;\ncommit;").problems).toEqual([
    {
      message: 'the string that begins here has no end',
      hint: expect.any(String),
      location: { file: 'm/1_x.up.sql', line: 2, column: 8, excerpt: "select 'x;" },
    },
  ]);
});

test('of a line of megabytes the excerpt is cut, and says where it begins', () => {
  const { problems } = parse(`select ${'1, '.repeat(10_000)}1;${' '.repeat(400)}commit;`);
  const { column = 0, excerpt = '', excerptColumn = 0 } = problems[0]?.location ?? {};
  expect(excerpt.slice(column - excerptColumn, column - excerptColumn + 6)).toBe('commit');
});

describe('SQL kept by the ledger', () => {
  test('is taken as it was accepted once, also without statements or directive', () => {
    expect(parseRecordedFile('ledger:1', '').statements).toEqual([]);
    expect(parseRecordedFile('ledger:1', 'vacuum t').mode).toBe('no-transaction');
  });

  test('is refused with its problems when it cannot be read', () => {
    let caught: unknown;
    try {
      parseRecordedFile('ledger:1', "select 'x");
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(PulseError);
    expect(caught).toMatchObject({
      code: 'ledger-mismatch',
      problems: [{ location: { file: 'ledger:1', line: 1, column: 8 } }],
    });
  });
});
