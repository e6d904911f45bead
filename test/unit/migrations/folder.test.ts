import { once } from 'node:events';
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { PulseError } from '../../../src/errors.ts';
import { readFolder, readFolderFor } from '../../../src/migrations/folder.ts';
import type { FolderOptions, MigrationFile } from '../../../src/migrations/migration.ts';
import { makeFolder } from '../../support/make-folder.ts';
import { test } from '../../support/temporary-directory.ts';

type Files = Readonly<Record<string, string | Buffer>>;

async function write(directory: string, files: Files): Promise<void> {
  for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content);
}

function optionsFor(directory: string, options: Partial<FolderOptions> = {}): FolderOptions {
  return { directory, shown: 'db/m', requireDown: true, allowEmpty: false, transaction: 'strict', ...options };
}

function read(directory: string, options: Partial<FolderOptions> = {}) {
  return readFolder(optionsFor(directory, options));
}

/** The refusal of a folder. */
async function refusal(directory: string, options: Partial<FolderOptions> = {}): Promise<PulseError> {
  const error = await read(directory, options).catch((reason: unknown) => reason);
  if (!(error instanceof PulseError)) throw new Error(`not refused: ${JSON.stringify(error)}`);
  expect(error.code).toBe('folder-invalid');
  return error;
}

/** Each problem as `place: message → hint`. */
function told(error: PulseError): readonly string[] {
  return error.problems.map(({ location, message, hint }) => {
    const place = location?.line === undefined ? location?.file : `${location.file}:${location.line}`;
    return `${place}: ${message} → ${hint}`;
  });
}

const pair: Files = { '0001_a.up.sql': 'create table a ();', '0001_a.down.sql': 'drop table a;' };

test('pairs are read in the order of their numbers, with names, checksums and statements', async ({ directory }) => {
  await write(directory, {
    '10_B.v2.up.sql': 'select 2',
    '10_B.v2.down.sql': 'select 3',
    '9_a.up.sql': 'select 1;',
    '9_a.down.sql': 'select 0;',
    'README.md': '',
  });
  const { migrations, warnings, path } = await read(directory);
  expect({ path, warnings }).toEqual({ path: 'db/m', warnings: [] });
  expect(migrations.map(({ version, number, name }) => [version, number, name])).toEqual([
    ['9', 9n, 'a'],
    ['10', 10n, 'B.v2'],
  ]);
  expect(migrations[0]?.up).toMatchObject({
    path: 'db/m/9_a.up.sql',
    text: 'select 1;',
    statements: [{ start: 0, end: 8 }],
  });
  expect(migrations[0]?.down).toMatchObject({ path: 'db/m/9_a.down.sql', text: 'select 0;' });
});

test('a file has one checksum, whatever its line ends and with a byte order mark or without', async ({ directory }) => {
  await write(directory, {
    '1_a.up.sql': 'select 1;\nselect 2;\n',
    '1_a.down.sql': '\uFEFFselect 1;\r\nselect 2;\r\n',
  });
  const [migration] = (await read(directory)).migrations;
  expect(migration?.down?.checksum).toBe(migration?.up.checksum);
  expect(migration?.down?.text).toBe('select 1;\r\nselect 2;\r\n');
});

describe('what is refused, with its place and its cure', () => {
  const cases: readonly (readonly [title: string, files: Files, problem: string])[] = [
    [
      'an up without a down',
      { '2_b.up.sql': 'select 1' },
      'db/m/2_b.up.sql: an up file without a down file → write 2_b.down.sql (one that cannot be undone holds a line: -- pulse: irreversible REASON), or set requireDown: false in the configuration for a folder that never had downs',
    ],
    [
      'a down without an up',
      { '2_b.down.sql': 'select 1' },
      'db/m/2_b.down.sql: a down file without an up file → add 2_b.up.sql, or delete the file',
    ],
    [
      'a version written in two ways',
      { '1_b.up.sql': 'select 1' },
      'db/m/1_b.up.sql: two up files have the version 1: 0001_a.up.sql and 1_b.up.sql → give one of them another number, in both its files',
    ],
    [
      'two downs of one version',
      { '0001_b.down.sql': 'select 1' },
      'db/m/0001_b.down.sql: two down files have the version 1: 0001_a.down.sql and 0001_b.down.sql → give one of them another number, in both its files',
    ],
    [
      'widths that sort in two ways',
      {
        '2_b.up.sql': 'select 1',
        '2_b.down.sql': 'select 1',
        '0010_c.up.sql': 'select 1',
        '0010_c.down.sql': 'select 1',
      },
      'db/m/0010_c.up.sql: order by number and order by text disagree: 2_b.up.sql has the lower number, 0010_c.up.sql comes first in a listing → set order: number (or order: text) in the configuration, as the folder has been applied until now',
    ],
    [
      'a name that is almost right',
      { '0002_b_up.sql': 'select 1' },
      'db/m/0002_b_up.sql: the name is almost that of a migration, VERSION_NAME.up.sql or VERSION_NAME.down.sql in lower case → rename it to 0002_b.up.sql',
    ],
    [
      'UTF-16',
      { '0001_a.up.sql': Buffer.from('\uFEFFselect 1', 'utf16le') },
      'db/m/0001_a.up.sql: the file is encoded in UTF-16LE → save it as UTF-8, for example: iconv -f UTF-16LE -t UTF-8',
    ],
    [
      'a NUL byte',
      { '0001_a.up.sql': 'select 1;\n\0' },
      'db/m/0001_a.up.sql:2: the file holds a NUL byte, which PostgreSQL takes in no text → remove it; if the file is meant to hold binary values, write them as hexadecimal bytea',
    ],
    [
      'bytes that are not UTF-8',
      { '0001_a.up.sql': Buffer.from("\nselect '\xe9'", 'latin1') },
      'db/m/0001_a.up.sql:2: the file is not UTF-8 here → save it as UTF-8; if it is Latin-1: iconv -f ISO-8859-1 -t UTF-8',
    ],
    [
      'zero bytes',
      { '0001_a.down.sql': '' },
      'db/m/0001_a.down.sql: the file is empty → write its SQL, or a comment that says why there is none, or set allowEmpty: true in the configuration',
    ],
    [
      'a statement that needs to be outside a transaction',
      { '0001_a.up.sql': '\nvacuum' },
      'db/m/0001_a.up.sql:2: VACUUM cannot run in the transaction of its file → add this line at the top of the file: -- pulse: no-transaction',
    ],
    [
      'an unknown directive',
      { '0001_a.up.sql': '-- pulse: irreversable x\nselect 1' },
      'db/m/0001_a.up.sql:1: no directive has the name irreversable → did you mean: -- pulse: irreversible',
    ],
    [
      'a command of psql',
      { '0001_a.up.sql': '\n\n\\i x.sql' },
      'db/m/0001_a.up.sql:3: \\i is a command of psql; the server does not understand it → put the content of that file here',
    ],
  ];

  test.for(cases)('%s', async ([, files, problem], { directory }) => {
    await write(directory, { ...pair, ...files });
    const error = await refusal(directory);
    expect(told(error)).toEqual([problem]);
    expect(error.message).toBe('the folder of migrations db/m has a problem; nothing was run');
  });

  test('a name that is not UTF-8 is shown with its bytes escaped, and still makes a pair', async ({ directory }) => {
    const named = (name: string) => Buffer.concat([Buffer.from(`${directory}/`), Buffer.from(name, 'latin1')]);
    await write(directory, pair);
    await writeFile(named('0002_caf\xe9.up.sql'), 'select 1;');
    await writeFile(named('0002_caf\xe9.down.sql'), 'select 1;');
    await writeFile(named('0003\xff.sql'), 'select 1;');
    await writeFile(named('\xff.txt'), '');
    const cure = 'the name of the file is not UTF-8 → rename it with letters a-z, digits and underscores';
    expect(told(await refusal(directory))).toEqual([
      `db/m/0002_caf\\xe9.down.sql: ${cure}`,
      `db/m/0002_caf\\xe9.up.sql: ${cure}`,
      `db/m/0003\\xff.sql: ${cure}`,
    ]);
  });

  test('a folder, a link that leads nowhere, one that leads out and a socket, each named like a migration', async ({
    directory,
  }) => {
    const inside = join(directory, 'm');
    await mkdir(join(inside, '0002_folder.up.sql'), { recursive: true });
    await write(inside, pair);
    await write(directory, { 'outside.sql': 'select 1' });
    await symlink('gone.sql', join(inside, '0003_gone.up.sql'));
    await symlink('../outside.sql', join(inside, '0004_outside.up.sql'));
    const socket = createServer().listen(join(inside, '0005_socket.up.sql'));
    await once(socket, 'listening');
    const error = await refusal(inside).finally(() => socket.close());
    expect(told(error)).toEqual([
      'db/m/0002_folder.up.sql: a folder has the name of a migration → move it out of the folder, or rename it',
      'db/m/0003_gone.up.sql: the link leads nowhere (ENOENT) → put the file itself into the folder, or remove the link',
      'db/m/0004_outside.up.sql: the link leads out of the folder of migrations → put the file itself into the folder',
      'db/m/0005_socket.up.sql: what has the name of a migration is not a file → replace it by a regular file',
    ]);
  });

  test('a file that may not be read', async ({ directory }) => {
    await write(directory, pair);
    await chmod(directory, 0o755);
    await chmod(join(directory, '0001_a.up.sql'), 0);
    // Root reads everything, so the test steps down to an ordinary user for as long as the folder is read.
    const isRoot = process.geteuid?.() === 0;
    if (isRoot) process.seteuid?.(65_534);
    try {
      expect(told(await refusal(directory))).toEqual([
        'db/m/0001_a.up.sql: the file cannot be read (EACCES) → give the user that runs pulse-migrate the right to read it',
      ]);
    } finally {
      if (isRoot) process.seteuid?.(0);
    }
  });

  test('a folder that does not exist, and what is no folder', async ({ directory }) => {
    const missing = await refusal(join(directory, 'nowhere'));
    expect([missing.message, missing.hint]).toEqual([
      'the folder of migrations db/m does not exist',
      'create the first migration: pulse-migrate new NAME; or name the folder with --dir',
    ]);
    await write(directory, { file: '' });
    expect((await refusal(join(directory, 'file'))).message).toBe('db/m is not a folder');
  });

  test('a folder without migrations, with the SQL files that were passed over', async ({ directory }) => {
    await write(directory, { 'schema.sql': 'select 1', 'notes.txt': '' });
    const error = await refusal(directory);
    expect([error.message, error.hint]).toEqual([
      'there are no migrations in db/m',
      'create the first one: pulse-migrate new NAME; or name another folder with --dir',
    ]);
    expect(error.problems.map(({ location }) => location?.file)).toEqual(['db/m/schema.sql']);
  });

  test('all problems of all files at once, in the order of files and lines', async ({ directory }) => {
    await write(directory, {
      ...pair,
      '0002_b.up.sql': 'select 1;\ncommit;\n\\x\nselect 2',
      'V3__c.sql': '',
      '0001_a.down.sql': '-- later',
    });
    const error = await refusal(directory);
    expect(error.message).toBe('the folder of migrations db/m has 4 problems; nothing was run');
    expect(told(error).map((line) => line.replace(/: .*/, ''))).toEqual([
      'db/m/0001_a.down.sql',
      'db/m/0002_b.up.sql',
      'db/m/0002_b.up.sql:3',
      'db/m/V3__c.sql',
    ]);
  });
});

describe('what is accepted', () => {
  test('a folder that never had downs, with requireDown: false', async ({ directory }) => {
    await write(directory, { '1_a.up.sql': 'select 1', '2_b.up.sql': 'select 2' });
    expect((await read(directory, { requireDown: false })).migrations.map(({ down }) => down)).toEqual([null, null]);
  });

  test('gaps, links within the folder, sub-folders and files of other kinds', async ({ directory }) => {
    await write(directory, { ...pair, '0001_a.up.sql.bak': '', '.gitkeep': '' });
    await mkdir(join(directory, 'archive'));
    await symlink('0001_a.up.sql', join(directory, '0100_again.up.sql'));
    await symlink('0001_a.down.sql', join(directory, '0100_again.down.sql'));
    const { migrations, warnings } = await read(directory);
    expect(migrations.map(({ number }) => number)).toEqual([1n, 100n]);
    expect(warnings).toEqual([]);
  });

  test('a down under another name and SQL of another kind, each with a warning', async ({ directory }) => {
    await write(directory, { '0001_a.up.sql': 'select 1', '0001_b.down.sql': 'select 2', 'seed.sql': '' });
    const { migrations, warnings } = await read(directory);
    expect(migrations.map(({ name, down }) => [name, down?.path])).toEqual([['a', 'db/m/0001_b.down.sql']]);
    expect(warnings.map(({ path, hint }) => `${path} → ${hint}`)).toEqual([
      'db/m/0001_b.down.sql → rename it to 0001_a.down.sql',
      'db/m/seed.sql → a migration is named VERSION_NAME.up.sql; move other SQL out of the folder',
    ]);
  });

  test('the order that the setting says, where number and text disagree', async ({ directory }) => {
    const versions = ['202601020000', '20260101000000'];
    await write(directory, Object.fromEntries(versions.map((version) => [`${version}_x.up.sql`, 'select 1'])));
    const order = async (setting: 'number' | 'text') =>
      (await read(directory, { requireDown: false, order: setting })).migrations.map(({ version }) => version);
    expect(await order('number')).toEqual(versions);
    expect(await order('text')).toEqual(versions.toReversed());
  });
});

describe('what the ledger recorded', () => {
  const files: Files = { '1_a.up.sql': 'vacuum;', '1_a.down.sql': '-- none' };
  const facts = ({ path, text, checksum, directives, statements, mode, transactionModes, leftOut }: MigrationFile) => ({
    path,
    text,
    checksum,
    directives,
    statements,
    mode,
    transactionModes,
    leftOut,
  });

  test('a file is taken apart when its content is asked for, and says what any other one says', async ({
    directory,
  }) => {
    await write(directory, files);
    const lenient = optionsFor(directory, { transaction: 'auto', allowEmpty: true });
    const [read] = (await readFolder(lenient)).migrations;
    if (!read?.down) throw new Error('no pair');
    const recorded = { number: 1n, upChecksum: read.up.checksum, downChecksum: read.down.checksum };

    const known = (await readFolderFor(lenient))([recorded]);

    expect(known.warnings).toEqual([]);
    expect(known.migrations.map(({ up, down }) => [facts(up), down && facts(down)])).toEqual([
      [facts(read.up), facts(read.down)],
    ]);
  });

  test('a file that would be refused is accepted, and refuses to give what would run', async ({ directory }) => {
    await write(directory, files);
    const folderFor = await readFolderFor(optionsFor(directory));
    const [read] = (await readFolder(optionsFor(directory, { transaction: 'auto', allowEmpty: true }))).migrations;
    const recorded = { number: 1n, upChecksum: read?.up.checksum ?? '', downChecksum: read?.down?.checksum ?? '' };

    const [migration] = folderFor([recorded]).migrations;

    expect(migration?.up.checksum).toBe(recorded.upChecksum);
    expect(() => migration?.up.statements).toThrow(/db\/m\/1_a.up.sql is applied, and is refused now/);
    expect(() => folderFor([{ ...recorded, upChecksum: 'other' }])).toThrow(/has a problem; nothing was run/);
    expect(() => folderFor([{ ...recorded, number: 2n }])).toThrow(/has 2 problems; nothing was run/);
  });

  test('a large file that is changed before it can be compared is a problem of the folder', async ({ directory }) => {
    const large = `SELECT 1;\n-- ${'x'.repeat(1_000_000)}\n`;
    await write(directory, { '1_a.up.sql': large, '1_a.down.sql': 'SELECT 1;\n' });
    const folderFor = await readFolderFor(optionsFor(directory));
    await write(directory, { '1_a.up.sql': `${large}-- more\n` });

    const compare = () => folderFor([{ number: 1n, upChecksum: 'recorded', downChecksum: null }]);

    expect(compare).toThrow(
      expect.objectContaining({
        code: 'folder-invalid',
        problems: [expect.objectContaining({ message: 'the file was changed while it was being read' })],
      }),
    );
  });

  test('names, pairs and bytes are judged before anything is known', async ({ directory }) => {
    await write(directory, { ...files, '2_b.up.sql': Buffer.from([0xff]), 'V3__c.sql': '' });
    const error = await readFolderFor(optionsFor(directory)).catch((reason: unknown) => reason);
    if (!(error instanceof PulseError)) throw new Error('not refused');
    expect(error.problems.map(({ location }) => location?.file)).toEqual([
      'db/m/1_a.down.sql',
      'db/m/1_a.up.sql',
      'db/m/2_b.up.sql',
      'db/m/2_b.up.sql',
      'db/m/V3__c.sql',
    ]);
  });
});

describe('folders as they are found', () => {
  const fixture = (name: string) => join(import.meta.dirname, '../../fixtures', name);

  test('a folder of golang-migrate is read without a warning', async () => {
    const { migrations, warnings } = await read(fixture('golang-migrate'));
    expect(warnings).toEqual([]);
    expect(
      migrations.map(({ version, up, down }) => `${version} ${up.statements.length} ${down?.statements.length}`),
    ).toEqual(['000001 2 1', '000002 5 4', '000003 3 2', '000004 2 1']);
    expect(migrations[1]?.up.leftOut.length).toBe(2);
  });

  test('a messy folder says which settings it needs, and is read as it is with them', async () => {
    const problems = told(await refusal(fixture('messy')));
    expect(problems.filter((problem) => /set order: number|allowEmpty: true/.test(problem))).toEqual(problems);
    const { migrations, warnings } = await read(fixture('messy'), { order: 'number', allowEmpty: true });
    expect(
      migrations.map(
        ({ number, name, up, down }) => `${number} ${name} ${up.statements.length} ${down?.statements.length}`,
      ),
    ).toEqual([
      '1 Initial.Schema 1 1',
      '2 add-motto 1 1',
      '9 Posts 3 3',
      '10 tags 0 0',
      '11 placeholder 0 0',
      '15 import.v2 4 2',
      '20230405060708 WordCount 2 2',
      '20240101000000123 fill.names 3 0',
      '18446744073709551616 last 1 1',
    ]);
    expect(migrations[7]?.up.transactionModes).toBe('ISOLATION LEVEL REPEATABLE READ');
    expect(migrations[7]?.down?.directives.irreversible).toContain('not known any more');
    expect(warnings.map(({ path }) => path.replace('db/m/', ''))).toEqual([
      '10_tags.down.sql',
      '10_tags.up.sql',
      '11_placeholder.down.sql',
      '11_placeholder.up.sql',
      '15_import.v2.up.sql',
      '2_drop_motto.down.sql',
      'check_users.sql',
    ]);
  });

  test('a made folder of 300 pairs is read without a warning', async ({ directory }) => {
    await makeFolder(directory, 300);
    const { migrations, warnings } = await read(directory);
    expect(warnings).toEqual([]);
    expect([migrations.length, migrations[299]?.version]).toEqual([300, '000300']);
  });
});
