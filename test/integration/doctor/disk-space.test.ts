import { execFile } from 'node:child_process';
import { chown, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished } from 'vitest';
import { runChecklist } from '../../../src/doctor/checklist.ts';
import { diskSpace } from '../../../src/doctor/checks/disk-space.ts';
import { estimateNeed, totalNeed } from '../../../src/doctor/disk/need.ts';
import { findDataDirectory } from '../../../src/doctor/disk/places.ts';
import type { Session } from '../../../src/postgres/session.ts';
import { Sql } from '../../../src/postgres/sql.ts';
import { openSession } from '../../support/open-session.ts';
import { startServer } from '../../support/server.ts';
import { contextOf, pendingMigration } from './context.ts';
import { test } from './plain-role.ts';

const mebibyte = 1024 * 1024;

test('a server whose data directory lies here is measured on its own disk', async () => {
  await using server = await startServer();
  await using session = await openSession(server.url);
  expect(await findDataDirectory(session)).toEqual({ path: server.dataDirectory });
  const finding = await diskSpace.run(contextOf(session));
  expect(finding.message).toContain(`free for 128 MB on ${server.dataDirectory}`);
  expect(finding.outcome).toBe('ok');
});

/** A session whose server says something else about itself, as one behind a forwarded port would. */
function elsewhere(session: Session, change: readonly [from: string, to: string]): Session {
  return { ...session, rows: (statement) => session.rows(new Sql(statement.text.replace(...change))) };
}

test('a server elsewhere is not mistaken for the one whose files lie here', async () => {
  await using server = await startServer();
  await using session = await openSession(server.url);
  const changes: ReadonlyArray<readonly [string, string]> = [
    ['c.system_identifier::', '(c.system_identifier + 1)::'],
    ["current_setting('port')::pg_catalog.int4", "current_setting('port')::pg_catalog.int4 + 1"],
    ['pg_catalog.pg_postmaster_start_time()', "(pg_catalog.pg_postmaster_start_time() + interval '1 hour')"],
    ['pg_catalog.inet_server_addr()', "inet '192.0.2.1'"],
    ['SELECT s.setting FROM', "SELECT s.setting || '/gone' FROM"],
    ['pg_catalog.pg_backend_pid()', '1'],
  ];
  for (const change of changes) {
    const found = await findDataDirectory(elsewhere(session, change));
    expect(found, change[0]).toHaveProperty('reason');
  }
});

test('a role that may not ask for the data directory gets no green answer, but the need and two ways out', async ({
  plainRole,
}) => {
  const finding = await diskSpace.run(contextOf(await openSession(plainRole.url)));
  expect(finding.outcome).toBe('unknown');
  expect(finding.message).toContain('about 128 MB needed');
  expect(finding.hint).toMatch(/pg_read_all_settings.*checks\.freeSpaceCommand/);
});

test.for([
  ['prints enough', 'echo 999999999999', 'ok', /931 GB free/],
  ['prints too little', 'echo 1000', 'failure', /1000 bytes free/],
  ['prints something else', 'echo 12G', 'unknown', /printed "12G"/],
  ['prints nothing', 'true', 'unknown', /printed ""/],
  ['fails', 'echo 999999999999; echo no route >&2; exit 4', 'unknown', /exit code 4: no route/],
] as const)(
  'a free-space command that %s leads to its own answer',
  async ([, command, outcome, message], { plainRole }) => {
    const finding = await diskSpace.run(contextOf(await openSession(plainRole.url), { freeSpaceCommand: command }));
    expect(finding.outcome).toBe(outcome);
    expect(finding.message).toMatch(message);
  },
);

test('the need grows with the text and with each table that is rewritten, partitions and indexes included', async ({
  database,
}) => {
  await database.admin(`
    CREATE TABLE "Big" (id int, pad text) PARTITION BY RANGE (id);
    CREATE TABLE part PARTITION OF "Big" FOR VALUES FROM (0) TO (100000);
    CREATE INDEX ON "Big" (id);
    INSERT INTO "Big" SELECT g, repeat('x', 100) FROM generate_series(1, 5000) AS g;
    CREATE TABLE untouched AS SELECT * FROM "Big"`);
  const [row] = await database.admin<{ bytes: string }>("SELECT pg_total_relation_size('part')::text AS bytes");
  const size = Number(row?.bytes);
  expect(size).toBeGreaterThan(500_000);
  const session = await openSession(database.url);
  const base = 2 * 64 * mebibyte;
  const needOf = async (sql: string) => {
    const need = await estimateNeed(session, [pendingMigration(sql)]);
    return { extra: totalNeed(need) - base - 6 * sql.length, tables: need.tables };
  };
  expect(await needOf('ALTER TABLE untouched ADD COLUMN c int')).toEqual({ extra: 0, tables: [] });
  expect(await needOf('ALTER TABLE "Big" ALTER COLUMN id TYPE bigint')).toEqual({
    extra: 3 * size,
    tables: [{ name: '"Big"', bytes: size }],
  });
  expect((await needOf('UPDATE public."Big" SET pad = NULL')).extra).toBe(5 * size);
  expect((await needOf('UPDATE part SET pad = NULL; VACUUM FULL part')).extra).toBe(5 * size);
  expect(await needOf('ALTER TABLE no_such_table ALTER COLUMN id TYPE bigint')).toEqual({ extra: 0, tables: [] });
});

const run = promisify(execFile);

/** A file system of so many MiB that belongs to the account of the server; false where this account may mount none. */
async function smallFileSystem(directory: string, owner: { uid: number; gid: number }, mebibytes: number) {
  const mounted = await run('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', directory]).then(
    () => true,
    () => false,
  );
  if (mounted) await chown(directory, owner.uid, owner.gid);
  return mounted;
}

test('a tablespace on a file system that is nearly full fails a migration that rewrites its table, and no other', {
  timeout: 60_000,
}, async ({ skip }) => {
  const server = await startServer();
  // Outside of what the run deletes in the end, should this test be killed.
  const directory = await mkdtemp(join(tmpdir(), 'pulse-small-'));
  const mounted = await smallFileSystem(directory, await stat(server.dataDirectory), 12);
  onTestFinished(async () => {
    await server[Symbol.asyncDispose]();
    if (mounted) await run('umount', ['-l', directory]);
    await rm(directory, { recursive: true });
  });
  // To mount takes root on a machine that lets it: what is said of full disks is tested in units everywhere.
  skip(!mounted, 'no file system can be mounted here');
  await using session = await openSession(server.url);
  await session.run(`CREATE TABLESPACE small LOCATION '${directory}'`);
  await session.run(`CREATE TABLE t (n int, w text) TABLESPACE small; CREATE TABLE elsewhere (n int);
INSERT INTO t SELECT g, repeat('x', 100) FROM generate_series(1, 50000) AS g`);
  const pending = (text: string) => diskSpace.run(contextOf(session, { pending: [pendingMigration(text)] }));

  expect(await pending('ALTER TABLE t ALTER n TYPE bigint')).toMatchObject({
    outcome: 'failure',
    message: expect.stringMatching(/MB free for .* MB on \S*pulse-small-/),
    hint: expect.stringContaining('free space or enlarge the disk'),
  });
  expect((await pending('ALTER TABLE elsewhere ALTER n TYPE bigint')).outcome).toBe('ok');
});

test('a table in a schema that the role may not use counts, and one that somebody has locked leaves the answer open', async ({
  database,
  plainRole,
}) => {
  await database.admin(`CREATE SCHEMA closed; CREATE TABLE closed.t AS SELECT generate_series(1, 20000) AS id;
CREATE TABLE open AS SELECT generate_series(1, 20000) AS id`);
  const session = await openSession(plainRole.url);
  const pending = [pendingMigration('UPDATE closed.t SET id = 1; CREATE INDEX ON open (id)')];

  const need = await estimateNeed(session, pending);
  await using holder = await openSession(database.url);
  await holder.run('BEGIN; LOCK TABLE open');
  const [finding] = await runChecklist(contextOf(session, { pending }), { only: 'all', skip: [] }, [diskSpace]);

  expect(need.tables.map(({ name }) => name).toSorted()).toEqual(['closed.t', 'open']);
  expect(finding).toMatchObject({
    outcome: 'unknown',
    message: expect.stringContaining('a table that it looks at is locked'),
    hint: expect.stringContaining('AccessExclusiveLock'),
  });
});
