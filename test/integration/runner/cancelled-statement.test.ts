import { expect } from 'vitest';
import { test } from '../../support/database.ts';
import { openProject, pairs } from '../../support/project.ts';
import { until } from '../../support/until.ts';

const files = [
  { kind: 'with a transaction', head: '', exitCode: 5, code: 'migration-failed' },
  { kind: 'without a transaction', head: '-- pulse: no-transaction\n', exitCode: 6, code: 'migration-partial' },
] as const;

test.for(files)(
  'a statement of a file $kind that an operator cancels is not called a mistake of the file, and the next up completes',
  async ({ head, exitCode, code }, { database }) => {
    await database.admin('CREATE TABLE gate (open bool); CREATE TABLE a (id int)');
    const waits = 'DO $$ BEGIN IF (SELECT count(*) FROM gate) = 0 THEN PERFORM pg_sleep(60); END IF; END $$';
    const up = `${head}INSERT INTO a VALUES (1);\n${waits};\n`;
    const project = await openProject(pairs({ '0001_a': [up, 'DELETE FROM a;'] }), database);

    const running = project.cli(['up', '--json', '--yes']);
    await until('the statement is cancelled', async () => {
      const asked = await database.admin(
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'",
      );
      return asked.length > 0;
    });
    const run = await running;

    const { error } = run.json();
    expect(run.exitCode).toBe(exitCode);
    expect(error).toMatchObject({ code, message: 'canceling statement due to user request', line: head ? 3 : 2 });
    expect(error?.hint).toContain('if somebody cancelled it, run the command again');
    expect(error?.hint).not.toContain('correct');
    await database.admin('INSERT INTO gate VALUES (true)');
    await project.done(['up', '--yes']);
    expect(await database.admin('SELECT id FROM a')).toEqual([{ id: 1 }]);
  },
);
