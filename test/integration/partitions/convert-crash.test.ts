import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished } from 'vitest';
import { connect } from '../../../src/postgres/connect.ts';
import { openSession, parametersOf } from '../../support/open-session.ts';
import { test } from '../../support/program.ts';
import { openProject } from '../../support/project.ts';
import { startServer } from '../../support/server.ts';
import { until } from '../../support/until.ts';
import { liveTable } from '../../support/written-truth.ts';

const flags = ['--by', 'committed_at', '--unique', 'widen', '--retain', '0s', '--now', '2026-11-23T12:00:00Z'];

/** Writes the same to the table and to one that no conversion touches, in one transaction, whatever the server does. */
function startTwinWrites(url: string): { stop(): Promise<void>; written(): number } {
  let isDone = false;
  let written = 0;
  const both = (statement: (table: string) => string) => `${statement('commits')}; ${statement('twin')}`;
  const work = (async () => {
    for (let step = 0; !isDone; ) {
      try {
        await using session = await connect(await parametersOf(url));
        for (; !isDone; step += 1) {
          const at = `timestamptz '2026-01-05 00:00:00+00' + ${(step * 7919) % 300} * interval '1 day'`;
          const write = [
            both(
              (table) =>
                `INSERT INTO ${table} (id, repo_id, sha, committed_at) VALUES ('n${step}', 1, 'n${step}', ${at})`,
            ),
            both(
              (table) => `UPDATE ${table} SET committed_at = ${at}, additions = ${step} WHERE id = 'old${step % 50}'`,
            ),
            both((table) => `DELETE FROM ${table} WHERE id = 'n${step - 9}'`),
          ][step % 3];
          await session.run(`BEGIN; ${write}; COMMIT`);
          written += 1;
        }
      } catch {
        await sleep(50);
        step += 1;
      }
    }
  })();
  return {
    written: () => written,
    stop: async () => {
      isDone = true;
      await work;
    },
  };
}

const places = ['copying', 'indexing', 'replaying', 'swapped'] as const;
const crashes = [
  ...places.map((place) => ['conversion', place] as const),
  ...places.filter((_, at) => at % 2 === 0).map((place) => ['split', place] as const),
];

test.for(crashes)(
  'a server that crashes in a %s at %s comes back, the work is resumed, and nothing is lost, doubled or different',
  { timeout: 180_000 },
  async ([work, place], { start }) => {
    const server = await startServer();
    onTestFinished(() => server[Symbol.asyncDispose]());
    const first = await openSession(server.url);
    await first.run(`${liveTable}CREATE TABLE twin AS SELECT id, repo_id, sha, committed_at, additions FROM commits;
ALTER TABLE twin ADD PRIMARY KEY (id), ALTER additions SET DEFAULT 0`);
    const project = await openProject(null, server);
    const isSplit = work === 'split';
    if (isSplit) {
      await project.done(['partition', 'convert', 'commits', ...flags, '--strategy', 'attach']);
      await project.done(['partition', 'finish', 'commits', '--i-know']);
    }
    const writes = startTwinWrites(server.url);
    const running = start(project, [
      ...['partition', ...(isSplit ? ['split', 'commits_history'] : ['convert', 'commits', ...flags])],
      ...['--duty', place === 'copying' ? '0.02' : '1'],
    ]);
    const phase = async () => {
      const rows = await first
        .rows<{ phase: string }>({
          text: 'SELECT phase FROM pulse_migrate.partition_conversion ORDER BY id DESC LIMIT 1',
        })
        .catch(() => []);
      return rows[0]?.phase;
    };
    await until('the place', async () => [place, 'completed'].includes((await phase()) ?? ''));
    await server.crash();
    await server.gone();
    await running.ended;
    await server.start();

    const table = isSplit ? 'commits_history' : 'commits';
    const status = await project.done(['partition', 'status', table, '--json']);
    const isOver = JSON.stringify(status.json().result).includes('"phase":"completed"');
    if (!isOver) await project.done(['partition', 'resume', table, '--duty', '1']);
    const before = writes.written();
    await until('writes after the exchange', async () => writes.written() > before + 20);
    await writes.stop();

    const after = await openSession(server.url);
    const difference = async () =>
      after.rows({
        text: `SELECT * FROM (SELECT id, repo_id, sha, committed_at, additions FROM commits EXCEPT ALL TABLE twin) AS a
UNION ALL SELECT * FROM (TABLE twin EXCEPT ALL SELECT id, repo_id, sha, committed_at, additions FROM commits) AS b`,
      });
    expect(await difference()).toEqual([]);
    if (!isSplit) await project.done(['partition', 'rollback', 'commits']);
    expect(await difference()).toEqual([]);
  },
);
