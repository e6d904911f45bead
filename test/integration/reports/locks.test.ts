import { expect } from 'vitest';
import { test } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { openProject } from '../../support/project.ts';
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
