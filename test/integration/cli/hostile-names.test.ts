import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { quoteIdentifier } from '../../../src/postgres/identifiers.ts';
import { test as withDatabase } from '../../support/database.ts';
import { filledTo } from '../../support/hostile-names.ts';
import { openSession } from '../../support/open-session.ts';
import { openProject, pairs, table } from '../../support/project.ts';
import { stateOf } from '../../support/untouched.ts';

/** A role, and a database of its own, both of this name behind a beginning that tells this test's from others. */
interface Hostile {
  readonly name: string;
  readonly url: string;
}

const test = withDatabase.extend('hostile', ({ database }, { onCleanup }) => async (name: string): Promise<Hostile> => {
  const whole = database.name + name;
  const quoted = quoteIdentifier(whole);
  onCleanup(async () => {
    await database.admin(`DROP DATABASE IF EXISTS ${quoted} WITH (FORCE)`);
    await database.admin(`DROP ROLE IF EXISTS ${quoted}`);
  });
  await database.admin(`CREATE ROLE ${quoted} LOGIN PASSWORD 'secret'`);
  await database.admin(`CREATE DATABASE ${quoted} TEMPLATE template0 OWNER ${quoted}`);
  const { host } = new URL(database.url);
  const encoded = encodeURIComponent(whole);
  return { name: whole, url: `postgresql://${encoded}:secret@${host}/${encoded}` };
});

const names = [
  `o'brien "100%" $1`,
  '"; DROP SCHEMA public CASCADE; --',
  '../../etc',
  'MiXeD Case',
  '%00%s%2e%2e',
  "back\\slash\\'",
  'line\nend\r\t',
  'é表𝄞',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the name itself
  '--help ${HOME} $(id)',
];

test.for(names)(
  'with %j as role, database, schema of the ledger, folder, file, table and index everything goes up and down',
  async (name, { hostile }) => {
    const { name: database, url } = await hostile(name);
    // No file can be called so with a slash, and none of ours with a control character.
    const file = name.replaceAll(/[/\p{Cc}]/gu, '_');
    const folder = name.replaceAll('/', '_');
    const [t, index] = [quoteIdentifier(name), quoteIdentifier(`${name} index`)];
    const project = await openProject(null, { url });
    await project.configure(JSON.stringify({ ledgerSchema: name, dir: folder, protected: true }));
    await mkdir(join(project.directory, folder));
    const files = pairs({
      [`0001_${file}`]: [`CREATE TABLE ${t} (n int);\nINSERT INTO ${t} VALUES (1), (1);`, `DROP TABLE ${t};`],
      '0002_index': [
        `-- pulse: no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY ${index} ON ${t} (n);`,
        `-- pulse: no-transaction\nDROP INDEX CONCURRENTLY ${index};`,
      ],
    });
    for (const [path, text] of Object.entries(files)) await writeFile(join(project.directory, folder, path), text);
    const session = await openSession(url);
    const applied = { text: `SELECT version, name FROM ${quoteIdentifier(name)}.applied ORDER BY number` };

    expect((await project.cli(['up', '--yes', '--json'])).json()).toMatchObject({
      exitCode: 6,
      error: { sqlstate: '23505', now: expect.arrayContaining([expect.stringContaining('the next up drops')]) },
    });
    await session.run(`DELETE FROM ${t} WHERE ctid = '(0,1)'`);
    await project.done(['up', '--yes', '--json']);
    const rows = await session.rows({
      text: 'SELECT c.relname::text AS name, indisvalid AS valid FROM pg_index JOIN pg_class AS c ON c.oid = indexrelid JOIN pg_class AS t ON t.oid = indrelid WHERE t.relnamespace = 2200',
    });
    expect(rows).toEqual([{ name: `${name} index`, valid: true }]);
    const expected = [
      { version: '0001', name: file },
      { version: '0002', name: 'index' },
    ];
    expect(await session.rows(applied)).toEqual(expected);
    expect((await project.done(['status', '--json', '--exit-code'])).json().result).toMatchObject({
      migrations: expected,
    });

    expect((await project.cli(['down', '--yes', `--i-know=${database}x`])).exitCode).toBe(8);
    await project.done(['down', '--yes', '--to', '0', `--i-know=${database}`]);
    expect(await session.rows(applied)).toEqual([]);
    expect(await session.rows({ text: 'SELECT FROM pg_class WHERE relnamespace = 2200' })).toEqual([]);
  },
);

/** Names of 64 bytes, which the server would cut, and names that are none; what refuses them names the place. */
const refused: ReadonlyArray<readonly [what: string, env: Readonly<Record<string, string>>, says: RegExp]> = [
  [
    'a schema of 64 bytes',
    { PULSE_LEDGER_SCHEMA: filledTo(64, "it's") },
    /PULSE_LEDGER_SCHEMA is longer than 63 bytes/,
  ],
  ['a schema of 64 bytes in fewer letters', { PULSE_LEDGER_SCHEMA: 'é'.repeat(32) }, /longer than 63 bytes/],
  ['a schema of the server', { PULSE_LEDGER_SCHEMA: 'pg_x' }, /keeps for its own schemas/],
  ['a schema of blanks', { PULSE_LEDGER_SCHEMA: ' \n' }, /PULSE_LEDGER_SCHEMA is empty/],
  ['a schema with NUL', { PULSE_LEDGER_SCHEMA: 'a\0b' }, /NUL/],
  [
    'a database of 64 bytes',
    { DATABASE_URL: `postgresql://h/${filledTo(64, 'd')}` },
    /dbname in DATABASE_URL is longer/,
  ],
  ['a role of 64 bytes', { DATABASE_URL: `postgresql://${filledTo(64, 'r')}@h/d` }, /user in DATABASE_URL is longer/],
  ['a database of 64 bytes in PGDATABASE', { DATABASE_URL: '', PGDATABASE: filledTo(64, 'd') }, /PGDATABASE is longer/],
  ['a database with NUL', { DATABASE_URL: 'postgresql://h/a%00b' }, /%00/],
];

test.for(refused)('%s is refused by name, and nothing is written', async ([, env, says], { database }) => {
  const project = await openProject(pairs({ '0001_a': table('a') }), database);
  const before = await stateOf(database);

  const { exitCode, error } = (await project.cli(['up', '--json'], { env })).json();

  expect([exitCode, error?.code]).toEqual([2, 'config-invalid']);
  expect(error?.message).toMatch(says);
  expect(error?.hint).not.toBe('');
  expect(await stateOf(database)).toEqual(before);
});

test('a file whose name holds a control character is refused, and its name reaches no terminal as it is', async ({
  database,
}) => {
  const names = ['\n', '\r', '\t', '\u0007', '\u001b[2J', '\u007f', '\u0085', '\u2028'];
  const files = Object.fromEntries(names.map((name, index) => [`000${index + 1}_a${name}b.up.sql`, 'SELECT 1;']));
  const project = await openProject({ ...files, '0009_\n\u001b.sql': 'SELECT 1;' }, database);
  const before = await stateOf(database);

  const run = await project.cli(['up']);
  const { error } = (await project.cli(['up', '--json'])).json();

  expect(run.exitCode).toBe(2);
  expect(run.stderr).not.toMatch(/(?!\n)[\p{Cc}\u2028]/u);
  expect(run.stderr).toContain('migrations/0005_a\\x1b[2Jb.up.sql');
  expect(error?.problems?.map(({ message }) => message)).toEqual(
    Array(9).fill('the name holds a control character, such as a tab or the end of a line'),
  );
  expect(await stateOf(database)).toEqual(before);
});

test('50 names for a new migration that lead out of its folder, and more, are refused, and no file is made', async () => {
  const ways = ['../', '..\\', '/', '\\', './', 'a/../../', 'a\\..\\', '..', '~/../', 'C:\\', '\0/', '....//', 'a/'];
  const ends = ['x', 'etc/passwd', '0001_x.up.sql', '', '%2e%2e%2f', '..'];
  const typed = ways.flatMap((way) => ends.map((end) => way + end));
  expect(typed.length).toBeGreaterThan(50);
  const project = await openProject({});

  for (const name of typed) {
    const run = await project.cli(['new', '--json', '--', name], { env: { DATABASE_URL: 'postgresql://h/d' } });
    expect([name, run.exitCode, run.json().error?.code]).toEqual([name, 2, 'usage']);
  }

  expect(await readdir(project.directory, { recursive: true })).toEqual(['migrations']);
});
