import { randomInt } from 'node:crypto';
import { expect } from 'vitest';
import type { Session } from '../../src/postgres/session.ts';
import type { TestDatabase } from './database.ts';
import { openSession } from './open-session.ts';

/** The table that clients go on writing to while it is converted. */
export const liveTable = `CREATE TABLE repos (id int PRIMARY KEY);
INSERT INTO repos SELECT generate_series(0, 99);
CREATE TABLE commits (
  id text PRIMARY KEY, repo_id int NOT NULL REFERENCES repos ON DELETE CASCADE, sha text NOT NULL CHECK (sha <> ''),
  committed_at timestamptz NOT NULL, additions int NOT NULL DEFAULT 0, width int GENERATED ALWAYS AS (length(sha)) STORED,
  UNIQUE (repo_id, sha));
CREATE INDEX commits_repo ON commits (repo_id, committed_at DESC);
INSERT INTO commits (id, repo_id, sha, committed_at)
SELECT 'old' || i, i % 100, md5(i::text), timestamptz '2026-01-01 00:00:00+00' + i * interval '15 minutes' FROM generate_series(1, 20000) AS i;
`;

interface Row {
  readonly repo: number;
  readonly sha: string;
  readonly at: number;
  readonly additions: number;
}

/** Clients that write all the time, and what the table has to hold by what the server told them. */
export interface Load {
  /** Statements that were committed so far. */
  written(): number;
  /** Ends the load, and compares the table with what was committed, row by row. */
  stop(): Promise<void>;
}

const clients = 3;

/**
 * Each client works on rows of its own repositories, so what it is told is what the rows are: inserts, updates, moves to
 * another time, deletes, and deletes of a repository with all its rows. A statement that fails fails the test.
 */
export async function startLoad(database: TestDatabase): Promise<Load> {
  const truth = new Map<string, Row>();
  const text = (row: { id: string; repo: number; sha: string; at: number; additions: number }) =>
    [row.id, row.repo, row.sha, row.at, row.additions].join(' ');
  const held = () =>
    database.admin<{ id: string } & Row>(
      `SELECT id, repo_id AS repo, sha, extract(epoch FROM committed_at)::int AS at, additions FROM commits`,
    );
  for (const { id, ...row } of await held()) truth.set(id, row);
  let isDone = false;
  let written = 0;
  const client = async (session: Session, own: number): Promise<void> => {
    for (let step = 0; !isDone; step += 1) {
      await oneStep(session, truth, own, step);
      written += 1;
    }
  };
  const sessions = await Promise.all(Array.from({ length: clients }, () => openSession(database.url)));
  const work = Promise.all(sessions.map((session, own) => client(session, own)));
  // What fails is told when the load is stopped.
  work.catch(() => {});
  return {
    written: () => written,
    stop: async () => {
      isDone = true;
      await work;
      const expected = [...truth].map(([id, row]) => text({ id, ...row })).toSorted();
      expect((await held()).map(text).toSorted()).toEqual(expected);
    },
  };
}

async function oneStep(session: Session, truth: Map<string, Row>, own: number, step: number): Promise<void> {
  const repo = own + clients * randomInt(Math.floor(100 / clients));
  const kind = randomInt(100);
  const id = `c${own}_${step}`;
  if (kind < 45) {
    const row = { repo, sha: id, at: 1_767_225_600 + randomInt(28_000_000), additions: step };
    await session.run(
      `INSERT INTO commits (id, repo_id, sha, committed_at, additions) VALUES ('${id}', ${repo}, '${row.sha}', to_timestamp(${row.at}), ${step})`,
    );
    truth.set(id, row);
    return;
  }
  const mine = `c${own}_${randomInt(step + 1)}`;
  // Few rows that are moved again and again.
  const chosen = kind < 70 ? `old${own + 100 * randomInt(5) || 100}` : mine;
  const known = truth.get(chosen);
  if (known === undefined || (chosen.startsWith('old') && known.repo % clients !== own)) return;
  if (kind < 85) {
    const at = 1_767_225_600 + randomInt(28_000_000);
    await session.run(
      `UPDATE commits SET committed_at = to_timestamp(${at}), additions = ${step} WHERE id = '${chosen}'`,
    );
    truth.set(chosen, { ...known, at, additions: step });
  } else if (kind < 99) {
    await session.run(`DELETE FROM commits WHERE id = '${chosen}'`);
    truth.delete(chosen);
  } else {
    await session.run(`DELETE FROM repos WHERE id = ${repo}; INSERT INTO repos VALUES (${repo})`);
    for (const [key, row] of truth) if (row.repo === repo) truth.delete(key);
  }
}
