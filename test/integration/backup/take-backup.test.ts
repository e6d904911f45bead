import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { dumpName, takeBackup } from '../../../src/backup/take-backup.ts';
import { programRunner } from '../../../src/programs.ts';
import type { TestDatabase } from '../../support/database.ts';
import { openSession, parametersOf } from '../../support/open-session.ts';
import { chosenVersion } from '../../support/server-launch.ts';
import { test } from '../doctor/plain-role.ts';
import { backupWorld, dumpMajor, fakeTools, temporaryDirectory } from './backup-tools.ts';

const serverMajor = Number(chosenVersion());
const canDump = (await dumpMajor()) >= serverMajor;
const testWithTools = test.runIf(canDump);
const name = '2026-02-03 04:05:06'.replaceAll(/[- :]/g, '').replace(/^(\d{8})/, '$1T');

async function requestFor(url: string, directory: string) {
  return { parameters: await parametersOf(url), directory, serverVersion: serverMajor * 10_000, databaseBytes: 1000 };
}

testWithTools(
  'a backup restores elsewhere to the same rows, and is told with its size and hash',
  async ({ database }) => {
    await database.admin(
      'CREATE TABLE t (id int PRIMARY KEY, word text); INSERT INTO t SELECT g, md5(g::text) FROM generate_series(1, 5000) AS g; CREATE SCHEMA s; CREATE VIEW s.v AS SELECT 1 AS a',
    );
    const directory = join(temporaryDirectory(), 'new', 'backups');
    const { dependencies, events } = backupWorld();
    const backup = await takeBackup(dependencies, await requestFor(database.url, directory));

    expect(backup.path).toBe(join(directory, `${database.name}-${name}Z.dump`));
    expect(readdirSync(directory)).toEqual([`${database.name}-${name}Z.dump`]);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(statSync(backup.path).mode & 0o777).toBe(0o600);
    const bytes = readFileSync(backup.path);
    expect(backup.bytes).toBe(bytes.length);
    expect(backup.sha256).toBe(createHash('sha256').update(bytes).digest('hex'));
    expect(backup.pgDumpVersion).toMatch(/^\d+\.\d+/);
    expect(events[0]).toMatchObject({ type: 'backup-started', path: backup.path });
    expect(events.filter(({ type }) => type === 'backup-progress').at(-1)).toEqual({
      type: 'backup-progress',
      phase: 'read-back',
      bytes: bytes.length,
      totalBytes: bytes.length,
    });
    expect(events.at(-1)).toMatchObject({ type: 'backup-finished', bytes: bytes.length, sha256: backup.sha256 });

    const copy = new URL(database.url);
    copy.pathname = `${copy.pathname}_copy`;
    await database.admin(`CREATE DATABASE "${database.name}_copy" TEMPLATE template0`);
    try {
      const run = programRunner({ PATH: process.env['PATH'] });
      expect(await run('pg_restore', ['--exit-on-error', `--dbname=${copy.href}`, backup.path])).toMatchObject({
        exitCode: 0,
      });
      await using session = await openSession(copy.href);
      const hash = {
        text: "SELECT md5(string_agg(t::text, ',' ORDER BY id)) AS hash, (SELECT a FROM s.v) AS view FROM t",
      };
      expect(await session.rows(hash)).toEqual(await database.admin(hash.text));
    } finally {
      await database.admin(`DROP DATABASE "${database.name}_copy" WITH (FORCE)`);
    }
  },
);

/** Holds pg_dump back: it waits for the lock until the transaction ends. */
async function lockTable(database: TestDatabase): Promise<void> {
  await database.admin('CREATE TABLE t (id int)');
  await database.admin('BEGIN; LOCK TABLE t');
}

function commandLines(): string[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .flatMap((pid) => {
      try {
        return [readFileSync(`/proc/${pid}/cmdline`, 'utf8')];
      } catch {
        return [];
      }
    });
}

testWithTools(
  'an abort midway leaves neither file nor pg_dump, and no password was in any command line',
  async ({ database, plainRole }) => {
    await database.admin(
      `GRANT pg_read_all_data TO "${plainRole.name}"; ALTER ROLE "${plainRole.name}" PASSWORD 'canary-pw-4711'`,
    );
    await lockTable(database);
    const url = plainRole.url.replace('secret', 'canary-pw-4711');
    const directory = temporaryDirectory();
    const { dependencies, abort } = backupWorld();
    // Not over the connection that holds the lock: within a transaction pg_stat_activity is a snapshot.
    const observer = await openSession(database.url);
    const waiting = `SELECT count(*)::int AS n FROM pg_stat_activity WHERE usename = '${plainRole.name}' AND wait_event_type = 'Lock'`;
    let lines: string[] = [];
    let files: string[] = [];
    const sleep = async (milliseconds: number) => {
      await dependencies.sleep(Math.min(milliseconds, 20));
      const [row] = await observer.rows<{ n: number }>({ text: waiting });
      if (row?.n !== 1 || abort.signal.aborted) return;
      lines = existsSync('/proc') ? commandLines() : [];
      files = readdirSync(directory);
      abort.abort();
    };
    await expect(takeBackup({ ...dependencies, sleep }, await requestFor(url, directory))).rejects.toMatchObject({
      code: 'interrupted',
    });
    expect(files).toEqual([`${database.name}-${name}Z.dump.partial`]);
    if (existsSync('/proc')) expect(lines.some((line) => line.includes('--format=custom'))).toBe(true);
    expect(lines.filter((line) => line.includes('canary-pw-4711'))).toEqual([]);
    expect(readdirSync(directory)).toEqual([]);
    expect(existsSync('/proc') ? commandLines().filter((line) => line.includes('--format=custom')) : []).toEqual([]);
    await database.admin('ROLLBACK');
  },
);

testWithTools(
  'a table the role may not read fails the backup in the words of pg_dump, and no file remains',
  async ({ database, plainRole }) => {
    await database.admin('CREATE TABLE closed AS SELECT 1 AS a');
    const directory = temporaryDirectory();
    await expect(
      takeBackup(backupWorld().dependencies, await requestFor(plainRole.url, directory)),
    ).rejects.toMatchObject({
      code: 'backup-failed',
      message: expect.stringMatching(/pg_dump ended with exit code 1: .*permission denied for table closed/s),
      hint: expect.stringContaining('pg_read_all_data'),
    });
    expect(readdirSync(directory)).toEqual([]);
  },
);

testWithTools('a second backup of the same second does not touch the first', async ({ database }) => {
  const directory = temporaryDirectory();
  const path = join(directory, dumpName(database.name, backupWorld().dependencies.now()));
  writeFileSync(path, 'the first');
  await expect(takeBackup(backupWorld().dependencies, await requestFor(database.url, directory))).rejects.toMatchObject(
    { code: 'backup-failed' },
  );
  expect(readdirSync(directory)).toHaveLength(1);
  expect(readFileSync(path, 'utf8')).toBe('the first');
});

const brokenTools: ReadonlyArray<readonly [what: string, version: string, script: string, expected: object]> = [
  [
    'a pg_dump older than the server',
    '14.1',
    'exit 0',
    { code: 'client-tool-missing', message: expect.stringMatching(/pg_dump is 14\.1, too old/) },
  ],
  [
    'a pg_dump that is killed',
    '99.1',
    'echo half; kill -9 $$',
    { code: 'backup-failed', message: expect.stringContaining('was killed by SIGKILL') },
  ],
  [
    'a full disk',
    '99.1',
    'echo half; echo "pg_dump: error: could not write: No space left on device" >&2; exit 1',
    { code: 'backup-failed', hint: expect.stringContaining('free space in') },
  ],
  [
    'a pg_dump that repeats the password',
    '99.1',
    'echo "bad: $PGPASSWORD" >&2; exit 1',
    { code: 'backup-failed', message: expect.stringContaining('bad: [secret]') },
  ],
];

test.for(brokenTools)('%s is told as what it is, and no file remains', async ([, version, script, expected]) => {
  const directory = join(temporaryDirectory(), 'backups');
  const { dependencies } = backupWorld(fakeTools(version, script));
  const request = await requestFor('postgresql://anna:canary@localhost/pulse', directory);
  await expect(takeBackup(dependencies, request)).rejects.toMatchObject(expected);
  expect(existsSync(directory) ? readdirSync(directory) : []).toEqual([]);
});

test('a machine without pg_dump is told what to install, before anything is written', async () => {
  const directory = join(temporaryDirectory(), 'backups');
  const { dependencies, events } = backupWorld('/nonexistent');
  await expect(
    takeBackup(dependencies, await requestFor('postgresql://anna@localhost/pulse', directory)),
  ).rejects.toMatchObject({
    code: 'client-tool-missing',
    message: 'pg_dump was not found',
    hint: expect.stringContaining(`postgresql-client-${serverMajor}`),
  });
  expect(existsSync(directory)).toBe(false);
  expect(events).toEqual([]);
});

test('a directory that is a file is refused by name', async () => {
  const file = join(temporaryDirectory(), 'file');
  writeFileSync(file, '');
  const { dependencies } = backupWorld(fakeTools('99.1'));
  const request = await requestFor('postgresql://anna@localhost/pulse', file);
  await expect(takeBackup(dependencies, request)).rejects.toMatchObject({
    code: 'backup-failed',
    message: `the backup directory ${file} is not a directory`,
  });
});

test('a database name that no file name can hold is written with underscores', () => {
  expect(dumpName('../a b"/é', new Date('2026-02-03T04:05:06.789Z'))).toBe('___a_b___-20260203T040506Z.dump');
});
