import fc from 'fast-check';

/**
 * SQL files as fast-check draws them, for holding the splitter against PostgreSQL's own parser. (One thing libpg-query
 * reads unlike the server, and so is not generated here: a comment between the parts of a continued literal, since
 * libpg-query keeps comments as tokens. COPY data and commands of psql are no SQL.)
 */

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
/** Files of up to five statements, nearly all of them valid SQL. */
export const generatedFile = fileOf(5);

/** What changes how a text is read, and its neighbours. */
export const sharpCharacters: readonly string[] = [
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
/** A short file with one or two random edits. */
export const damagedFile = fc
  .tuple(fileOf(2), fc.array(mutation, { minLength: 1, maxLength: 2 }))
  .map(([text, mutations]) =>
    mutations.reduce((changed, { at, removed, added }) => {
      const place = at % (changed.length + 1);
      return changed.slice(0, place) + added + changed.slice(place + removed);
    }, text),
  );

/** A SELECT and then anything sharp in any order. */
export const sharpSoup = fc
  .array(fc.constantFrom(...sharpCharacters, 'select ', "'a'", '1', ';'), { maxLength: 24 })
  .map((parts) => `select ${parts.join('')}`);
