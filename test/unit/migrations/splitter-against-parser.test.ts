import fc from 'fast-check';
import { loadModule, parseSync } from 'libpg-query';
import { beforeAll, expect, test } from 'vitest';
import { splitStatements } from '../../../src/migrations/splitter.ts';

/**
 * The splitter is held against PostgreSQL's own parser: whatever the parser accepts, the splitter cuts at the same
 * places and finds nothing wrong with. (One thing libpg-query reads unlike the server, and so is not generated here: a
 * comment between the parts of a continued literal, since libpg-query keeps comments as tokens.) COPY data and commands of psql are no SQL, so they have tables of their own.
 */

interface RawStatement {
  readonly stmt_location?: number;
  readonly stmt_len?: number;
}

interface Range {
  readonly start: number;
  readonly end: number;
}

/** The statements as the parser cuts them, or null when it refuses the text. Its offsets count bytes of UTF-8. */
function parserStatements(text: string): readonly Range[] | null {
  let parsed: { readonly stmts?: readonly RawStatement[] };
  try {
    parsed = parseSync(text);
  } catch {
    return null;
  }
  const bytes = Buffer.from(text, 'utf8');
  const offset = (byte: number) => bytes.subarray(0, byte).toString('utf8').length;
  return (parsed.stmts ?? []).map(({ stmt_location: from = 0, stmt_len: length = 0 }) => ({
    start: offset(from),
    end: length === 0 ? text.length : offset(from + length),
  }));
}

/** Only white space and comments, by means that have nothing in common with the lexer. */
function isBlank(text: string): boolean {
  let rest = text;
  for (;;) {
    const before = rest;
    rest = rest.replace(/^[ \t\n\v\f\r]+/, '').replace(/^--[^\n\r]*/, '');
    if (rest.startsWith('/*')) {
      let depth = 0;
      let at = 0;
      for (const [mark] of rest.matchAll(/\/\*|\*\/|./gs)) {
        if (mark === '/*') depth++;
        if (mark === '*/') depth--;
        at += mark.length;
        if (depth === 0) break;
      }
      rest = rest.slice(at);
    }
    if (rest === '') return true;
    if (rest === before) return false;
  }
}

/** Holds the splitter's answer against the parser's; true when the parser had one. */
function agrees(text: string): boolean {
  const theirs = parserStatements(text);
  if (theirs === null) return false;
  const { statements, problems } = splitStatements(text);
  expect(problems, text).toEqual([]);
  expect(statements.length, text).toBe(theirs.length);
  for (const [index, their] of theirs.entries()) {
    const { start, end } = statements[index] ?? { start: -1, end: -1 };
    expect(their.start <= start && start < end && end <= their.end, text).toBe(true);
    expect(isBlank(text.slice(their.start, start)), text).toBe(true);
    expect(isBlank(text.slice(end, their.end)), text).toBe(true);
  }
  return true;
}

const gaps = [
  ' ',
  '\n',
  '\r\n',
  '\t ',
  ' -- a; b\n',
  " -- it's $$\n",
  ' /* ; */ ',
  ' /* /* \' */ ; " */ ',
  '/**/ ',
  ' /*/ **/ ',
  ' /*/*/ */*/ ',
  ' --\r',
  '\f',
];
const strings = [
  "'a;b'",
  "''",
  "'it''s; $$'",
  "'\\'",
  "'\\\\'",
  "E'\\''",
  "e'a\\';\\\\'",
  "E'\\\\'",
  "E'x'\n 'y\\';'",
  "'x'\r\n\t 'y;'",
  "B'01'",
  "x'1F'",
  "N'n;\\'",
  "U&'d\\0061t\\+000061;'",
  "U&'a''b;'",
  "'a' /* c */",
  '$$a;b$$',
  '$$it\'s; -- " $$',
  '$a$ $$;$$ $a$',
  '$a$ $b$;$a$',
  '$_1é$ $_1$ ; $_1é$',
  '$$ $ $a $1 ;$$',
  "'é€𝄞;'",
  "'--'",
  "'/*'",
  '$q$/* $q$',
];
const names = [
  'a',
  'b$1',
  '"a;b"',
  '"it\'s"',
  '"a""b;"',
  'U&"d\\0061;"',
  'é',
  '_x',
  '"BEGIN"',
  'atomic',
  'e1',
  'x$y$z',
  'ı',
  'begin',
  '"--"',
  'n',
];
const numbers = ['1', '1.5', '.5', '1e5', '1.', '0x1F', '1_000', '$1', '-1', '- -1', '1-/* x */1', '2*-1', '3 -- ;\n'];

const gap = fc.constantFrom(...gaps);
const name = fc.constantFrom(...names);
const literal = fc.oneof(fc.constantFrom(...strings), fc.constantFrom(...numbers));

function sequence(...parts: readonly (string | fc.Arbitrary<string>)[]): fc.Arbitrary<string> {
  return fc
    .tuple(...parts.map((part) => (typeof part === 'string' ? fc.constant(part) : part)))
    .map((all) => all.join(''));
}

const { expression } = fc.letrec<{ expression: string }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    literal,
    name,
    sequence('(', tie('expression'), gap, ')'),
    sequence('case', gap, 'when', gap, tie('expression'), ' then', gap, tie('expression'), gap, 'end'),
    sequence(
      tie('expression'),
      gap,
      fc.constantFrom('+', '-', '*', '/', '||', '@-', '<->', '->>', '!=', '%'),
      gap,
      tie('expression'),
    ),
    sequence('f(', tie('expression'), gap, ',', tie('expression'), ')'),
    sequence('array[', tie('expression'), ', 2]'),
    sequence('a.', name),
  ),
}));

const query = sequence(
  fc.constantFrom('select', 'SELECT', 'Select'),
  gap,
  expression,
  gap,
  fc.constantFrom('', ' as end', ' as "end;"', ' end', ' as case', ' from a', ' from begin atomic', ' from "x;"'),
);
const inner = fc.oneof(
  query,
  sequence('insert into t values (', expression, gap, ')'),
  sequence('delete from t where', gap, expression),
);
const body = fc.array(sequence(gap, inner, gap, ';', gap), { maxLength: 4 }).map((all) => all.join(''));
const routine = sequence(
  fc.constantFrom('create', 'CREATE OR/* x */REPLACE'),
  gap,
  fc.constantFrom('function f(begin int, b int default 1) returns int', 'procedure "p;"()'),
  gap,
  fc.oneof(
    sequence('begin', gap, 'atomic', gap, body, fc.constantFrom('end', 'END', 'End')),
    sequence('language sql', gap, 'Begin', gap, 'Atomic ', body, ' end'),
    sequence('language sql as', gap, fc.constantFrom(...strings)),
    sequence('return', gap, expression),
  ),
);
const rule = sequence(
  'create rule r as on insert to t do',
  gap,
  '(',
  inner,
  gap,
  ';',
  gap,
  inner,
  fc.constantFrom('', ';'),
  gap,
  ')',
);
const statement = fc.oneof(
  { weight: 4, arbitrary: query },
  { weight: 3, arbitrary: routine },
  { weight: 1, arbitrary: rule },
  { weight: 1, arbitrary: inner },
  sequence('do', gap, fc.constantFrom(...strings)),
  sequence('create table', gap, name, gap, '(', name, gap, 'int default', gap, literal, gap, ')'),
  fc.constantFrom(
    'begin',
    'commit',
    'END',
    'begin isolation level serializable',
    '',
    'start transaction',
    'create view v as select 1 as begin',
  ),
);
function fileOf(most: number): fc.Arbitrary<string> {
  const statements = fc.array(sequence(gap, statement, gap, ';'), { maxLength: most });
  return sequence(
    statements.map((all) => all.join('')),
    fc.oneof(gap, statement),
  );
}
const file = fileOf(5);

const sharpCharacters = [
  "'",
  '"',
  ';',
  '$',
  '$$',
  '\\',
  '/*',
  '*/',
  '--',
  '\n',
  '(',
  ')',
  'E',
  'e',
  ' ',
  'U&',
  'end',
  '; end',
  'begin atomic',
  'case',
  '*',
  '/',
  '-',
  '1',
  'a',
  'é',
  '.',
  'as ',
];
const mutation = fc.record({
  at: fc.noShrink(fc.integer({ min: 0, max: 100_000 })),
  removed: fc.constantFrom(0, 0, 1, 2),
  added: fc.constantFrom('', ...sharpCharacters),
});
const mutated = fc.tuple(fileOf(2), fc.array(mutation, { minLength: 1, maxLength: 2 })).map(([text, mutations]) =>
  mutations.reduce((changed, { at, removed, added }) => {
    const place = at % (changed.length + 1);
    return changed.slice(0, place) + added + changed.slice(place + removed);
  }, text),
);

beforeAll(loadModule);

test('statements of generated files are cut where the parser of PostgreSQL cuts them', () => {
  let accepted = 0;
  fc.assert(
    fc.property(file, (text) => {
      if (agrees(text)) accepted++;
    }),
    { numRuns: 2500 },
  );
  expect(accepted, 'most generated files are valid SQL, or this test proves little').toBeGreaterThan(1500);
});

test('files with random damage are cut alike whenever the parser of PostgreSQL still accepts them', () => {
  let accepted = 0;
  fc.assert(
    fc.property(mutated, (text) => {
      if (agrees(text)) accepted++;
    }),
    { numRuns: 5000 },
  );
  expect(accepted, 'some damaged files are still valid SQL').toBeGreaterThan(300);
});

test('any run of sharp characters that the parser accepts is cut alike', () => {
  const soup = fc.array(fc.constantFrom(...sharpCharacters, 'select ', "'a'", '1', ';'), { maxLength: 24 });
  fc.assert(
    fc.property(soup, (parts) => {
      agrees(`select ${parts.join('')}`);
    }),
    { numRuns: 3000 },
  );
});
