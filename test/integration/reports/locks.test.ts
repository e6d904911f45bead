import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { openSession } from '../../support/open-session.ts';
import { test } from '../../support/program.ts';
import { openProject } from '../../support/project.ts';
import { startServer } from '../../support/server.ts';
import { until } from '../../support/until.ts';

interface Node {
  readonly pid: number;
  readonly wants: string | null;
  readonly statement: string;
  readonly waiting: readonly Node[];
}

test('whoever waits stands below whoever it waits for, and nobody is ended', async ({ database }) => {
  await database.admin('CREATE TABLE "t 1" (id int)');
  const project = await openProject(null, database);
  const quiet = await project.done(['report', 'locks']);
  await using first = await openSession(database.url);
  await using second = await openSession(database.url);
  await using third = await openSession(database.url);
  await first.run('BEGIN; LOCK TABLE "t 1" IN ACCESS SHARE MODE');
  const waits = [second.run('BEGIN; LOCK TABLE "t 1" IN ACCESS EXCLUSIVE MODE; COMMIT').catch(() => {})];
  const waiting = (pid: number) => async () =>
    (await database.admin(`SELECT pid FROM pg_locks WHERE NOT granted AND pid = ${pid}`)).length > 0;
  await until('the second', waiting(second.backendPid));
  waits.push(third.run('SELECT * FROM "t 1"'));
  await until('the third', waiting(third.backendPid));

  const { result } = (await project.done(['report', 'locks', '--json'])).json<{ blockers: Node[]; waiting: number }>();
  const { stdout } = await project.done(['report', 'locks']);
  await first.run('COMMIT');
  await Promise.all(waits);

  expect(quiet.stdout).toBe('Nobody waits for a lock.\n');
  expect(result).toMatchObject({
    waiting: 2,
    blockers: [
      {
        pid: first.backendPid,
        wants: null,
        waiting: [
          {
            pid: second.backendPid,
            wants: 'AccessExclusiveLock on "t 1"',
            waiting: [{ pid: third.backendPid, statement: 'SELECT * FROM "t 1"', waiting: [] }],
          },
        ],
      },
    ],
  });
  expect(stdout).toContain(`SELECT pg_cancel_backend(${first.backendPid})`);
  expect(stdout).toContain(`\n    pid ${second.backendPid}`);
});

test('who waits for a prepared transaction is told to end that, and not the one that waits', async () => {
  await using server = await startServer();
  await using owner = await openSession(server.url);
  await using waiter = await openSession(server.url);
  await owner.run('CREATE TABLE t (id int)');
  await owner.run("BEGIN; LOCK TABLE t; PREPARE TRANSACTION 'left'");
  const wait = waiter.run('SELECT * FROM t');
  const project = await openProject(null, { url: server.url });
  const { stdout } = await until('the wait', async () => {
    const run = await project.done(['report', 'locks']);
    return run.stdout.includes(`pid ${waiter.backendPid}`) && run;
  });
  await owner.run("ROLLBACK PREPARED 'left'");
  await wait;

  expect(stdout).toContain('a prepared transaction holds it: SELECT * FROM pg_prepared_xacts');
  expect(stdout).not.toContain('pg_cancel_backend');
});

test('--watch ends when nobody reads it any more, and takes no pause that a timer cannot keep', {
  timeout: 30_000,
}, async ({ database, start }) => {
  const project = await openProject(null, database);
  // The program is built by the first one that is started.
  const built = await start(project, ['report', 'locks']).ended;
  const launcher = join(import.meta.dirname, '../../../bin/pulse-migrate.js');

  const { stdout } = await promisify(execFile)(
    'sh',
    ['-c', `"${process.execPath}" "${launcher}" report locks --watch 1 | head -n 1`],
    { cwd: project.directory, env: { PATH: process.env['PATH'], ...project.env }, timeout: 20_000 },
  );
  const tooLong = await project.cli(['report', 'locks', '--watch', '2147484']);

  expect(built.exitCode).toBe(0);
  expect(stdout).toMatch(/^\d{4}-\d\d-\d\dT.*Z\n$/);
  expect(tooLong.exitCode).toBe(2);
  expect(tooLong.stderr).toContain('--watch takes at most 86400 seconds');
});
