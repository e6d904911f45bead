import { expect, inject, onTestFinished } from 'vitest';
import { connect } from '../../../src/postgres/connect.ts';
import { ident, raw, sql } from '../../../src/postgres/sql.ts';
import { type TestDatabase, test } from '../../support/database.ts';
import { openSession, parametersOf } from '../../support/open-session.ts';
import { openProject, pairs } from '../../support/project.ts';

/** A database of another encoding beside the test's own; it is dropped with the test. */
async function openEncoded(database: TestDatabase, encoding: string): Promise<string> {
  const name = `${database.name}_${encoding.toLowerCase()}`;
  await database.admin(`CREATE DATABASE "${name}" ENCODING '${encoding}' LOCALE 'C' TEMPLATE template0`);
  const server = await connect(await parametersOf(inject('serverUrl')));
  onTestFinished(async () => {
    await server.rows(sql`DROP DATABASE ${ident(name)} WITH (FORCE)`);
    await server.close();
  });
  const url = new URL(database.url);
  url.pathname = `/${name}`;
  return url.href;
}

/** One text in every way it can come: as a literal, as COPY data, as a name, in a body, behind a client_encoding. */
function everyWay(text: string): string {
  return `-- ${text}
CREATE TABLE a (id int, "${text}" text);
INSERT INTO a VALUES (1, '${text}');
COPY a FROM stdin;
2\t${text}
\\.
CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $$ SELECT '${text}' $$;
SET client_encoding = 'SQL_ASCII';
COPY a FROM stdin;
3\t${text}
\\.
INSERT INTO a SELECT 4, f();
`;
}

const encodings: readonly (readonly [encoding: string, text: string])[] = [
  ['UTF8', 'é 漢字 𝄞'],
  ['LATIN1', 'é ß ÿ'],
  ['WIN1252', 'é € ž'],
  ['EUC_JP', '漢字 ひらがな'],
  ['SQL_ASCII', 'é 漢字 𝄞'],
];

test.for(encodings)(
  'in a database of encoding %s a text arrives as it stands in the file',
  async ([encoding, text], { database }) => {
    const url = await openEncoded(database, encoding);
    const up = everyWay(text);
    const project = await openProject(pairs({ '0001_a': [up, `DROP TABLE a; DROP FUNCTION f(); -- ${text}`] }), {
      url,
    });

    await project.done(['up']);

    await using session = await openSession(url);
    expect(await session.rows(raw(`SELECT "${text}" AS t FROM a ORDER BY id`))).toEqual(
      [1, 2, 3, 4].map(() => ({ t: text })),
    );
    expect(await session.rows(raw('SELECT up_sql FROM pulse_migrate.ledger'))).toEqual([{ up_sql: up }]);
    await project.done(['status', '--exit-code']);
    await project.done(['down', '--i-know', '--backup-done']);
  },
);

test('a character that the database has no place for is refused by name, and nothing is applied', async ({
  database,
}) => {
  const url = await openEncoded(database, 'LATIN1');
  const project = await openProject(pairs({ '0001_a': ["CREATE TABLE a AS SELECT '漢' AS t;", 'DROP TABLE a;'] }), {
    url,
  });

  const document = (await project.cli(['up', '--json'])).json();

  expect(document).toMatchObject({
    exitCode: 5,
    error: { code: 'migration-failed', sqlstate: '22P05', file: 'migrations/0001_a.up.sql' },
  });
  expect(document.error?.message).toContain('LATIN1');
  await using session = await openSession(url);
  expect(
    await session.rows(raw("SELECT to_regclass('a') AS a, (SELECT count(*)::int FROM pulse_migrate.ledger) AS rows")),
  ).toEqual([{ a: null, rows: 0 }]);
});

const offFor: readonly (readonly [whose: string, set: (database: TestDatabase) => string])[] = [
  ['database', ({ name }) => `ALTER DATABASE "${name}" SET standard_conforming_strings = off`],
  [
    'role',
    ({ name, url }) =>
      `ALTER ROLE "${new URL(url).username}" IN DATABASE "${name}" SET standard_conforming_strings = off`,
  ],
];

test.for(offFor)(
  'a %s with standard_conforming_strings off reads a backslash as the file means it',
  async ([, set], { database }) => {
    await database.admin(set(database));
    const up = String.raw`CREATE TABLE a AS SELECT 'a\' AS t; INSERT INTO a VALUES ('\n'), (E'e\\'), ('q''\');
COPY a FROM stdin;
c\\
\.
INSERT INTO a VALUES ('z\');
`;
    const project = await openProject(
      pairs({
        '0001_a': [up, 'DROP TABLE a;'],
        '0002_alone': [
          `-- pulse: no-transaction\nINSERT INTO a VALUES ('y\\');\nCREATE INDEX CONCURRENTLY ON a (t);`,
          `-- pulse: no-transaction\nSELECT 'x\\';`,
        ],
      }),
      database,
    );

    await project.done(['up']);

    expect(await database.admin('SELECT t FROM a ORDER BY t COLLATE "C"')).toEqual(
      ['\\n', 'a\\', 'c\\', 'e\\', "q'\\", 'y\\', 'z\\'].map((t) => ({ t })),
    );
    expect(await database.admin("SELECT up_sql FROM pulse_migrate.ledger WHERE version = '0001'")).toEqual([
      { up_sql: up },
    ]);
  },
);

test('a line of ten megabytes is applied, and an error behind it is shown with its place and a short excerpt', async ({
  database,
}) => {
  const long = 'é'.repeat(5_000_000);
  const project = await openProject(
    pairs({
      '0001_long': [`CREATE TABLE a AS SELECT '${long}'::text AS t;`, 'DROP TABLE a;'],
      '0002_wrong': [`SELECT '${long}', nope;`, 'SELECT 1;'],
    }),
    database,
  );

  const run = await project.cli(['up']);

  expect(await database.admin('SELECT length(t) AS length FROM a')).toEqual([{ length: long.length }]);
  expect(run.exitCode).toBe(5);
  expect(run.stderr).toContain(`0002_wrong.up.sql:1:${long.length + 12}  column "nope" does not exist`);
  expect(run.stderr.length).toBeLessThan(2000);
});

test('a byte order mark and CRLF line ends change nothing but what a string over several lines keeps', async ({
  database,
}) => {
  const up =
    "\ufeff-- pulse: lock-timeout 2s\r\nCREATE TABLE a (id int, t text);\r\nCOPY a FROM stdin;\r\n1\tx\r\n\\.\r\nINSERT INTO a VALUES (2, 'a\r\nb');\r\nDO $$\r\nBEGIN\r\n  INSERT INTO a VALUES (3, 'c');\r\nEND\r\n$$;\r\n";
  const project = await openProject(pairs({ '0001_a': [up, '\ufeffDROP TABLE a;\r\n'] }), database);

  await project.done(['up']);

  expect(await database.admin('SELECT t FROM a ORDER BY id')).toEqual([{ t: 'x' }, { t: 'a\r\nb' }, { t: 'c' }]);
  await project.write({ '0001_a.up.sql': up.replaceAll('\r\n', '\n').replace('\ufeff', '') });
  await project.done(['status', '--exit-code']);
});

const ofPsql: readonly (readonly [line: string, remedy: string])[] = [
  ['\\i other.sql', 'put the content of that file here'],
  ['\\set n 5', 'write the value where it is used'],
  ['\\copy a from x.csv csv', 'write COPY … FROM stdin'],
  ['\\connect other', 'delete the line: the database is chosen with --database-url'],
  ['SELECT 1 \\gexec', 'write a DO block'],
  ['\\echo done', 'delete the line'],
];

test.for(ofPsql)(
  '%s, which psql alone understands, is refused with its line and remedy before anything runs',
  async ([line, remedy], { database }) => {
    const project = await openProject(
      pairs({ '0001_a': [`CREATE TABLE a (id int);\n${line}\nSELECT 1;\n`, 'DROP TABLE a;'] }),
      database,
    );

    const run = await project.cli(['up']);

    expect(run.exitCode).toBe(2);
    expect(run.stderr).toContain('migrations/0001_a.up.sql:2:');
    expect(run.stderr).toContain('is a command of psql');
    expect(run.stderr).toContain(remedy);
    expect(await database.admin("SELECT to_regclass('a') AS a, to_regnamespace('pulse_migrate') AS ledger")).toEqual([
      { a: null, ledger: null },
    ]);
  },
);
