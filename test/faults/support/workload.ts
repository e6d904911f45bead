import { catalogFingerprint } from '../../../src/scratch/fingerprint.ts';
import type { TestDatabase } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { type Files, type Project, pairs } from '../../support/project.ts';

const wide = Array.from({ length: 400 }, (_none, row) => `(${row}, '${"large; it''s a line ".repeat(8)}')`);
/** So many characters, as one word of a row. */
const long = 'é'.repeat(30_000);

/** More than is kept in memory: it is sent in pieces, its COPY data as a stream. */
const streamed = [
  ...Array.from({ length: 16 }, (_none, row) => `INSERT INTO people (id, name) VALUES (${500 + row}, '${long}');\n`),
  `COPY people (id, name) FROM stdin;\n${Array.from({ length: 4 }, (_none, row) => `${600 + row}\t${long}\n`).join('')}\\.\n`,
].join('');

/**
 * Every kind of migration there is, and every one leaves a mark that shows when it ran twice or half: transactional,
 * large, COPY data, several statements without a transaction among them every kind of CONCURRENTLY.
 */
export const mixed: Files = pairs({
  '0001_tables': [
    `CREATE TABLE marks (mark text NOT NULL);
CREATE TABLE people (id bigint PRIMARY KEY, name text, team int);
CREATE TABLE events (id int, at int) PARTITION BY RANGE (at);
CREATE TABLE events_old PARTITION OF events FOR VALUES FROM (0) TO (10);
CREATE TABLE events_new PARTITION OF events FOR VALUES FROM (10) TO (20);
INSERT INTO marks VALUES ('1');
`,
    'DROP TABLE events, people, marks;\n',
  ],
  '0002_rules': [
    `CREATE TYPE mood AS ENUM ('calm', 'it''s; fine');
ALTER TABLE people ADD COLUMN mood mood NOT NULL DEFAULT 'calm';
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name := NEW.name || ';'; RETURN NEW; END; $$;
CREATE TRIGGER touch BEFORE UPDATE ON people FOR EACH ROW EXECUTE FUNCTION touch();
INSERT INTO marks VALUES ('2');
`,
    `DELETE FROM marks WHERE mark = '2';
DROP TRIGGER touch ON people;
DROP FUNCTION touch();
ALTER TABLE people DROP COLUMN mood;
DROP TYPE mood;
`,
  ],
  '0003_indexes': [
    `-- pulse: no-transaction
INSERT INTO marks VALUES ('3a');
CREATE INDEX CONCURRENTLY people_name_idx ON people (name);
INSERT INTO marks VALUES ('3b');
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS people_team_idx ON people (team, id);
REINDEX INDEX CONCURRENTLY people_name_idx;
INSERT INTO marks VALUES ('3c');
`,
    `-- pulse: no-transaction
DELETE FROM marks WHERE mark = '3a';
DROP INDEX CONCURRENTLY people_name_idx;
DELETE FROM marks WHERE mark = '3b';
DROP INDEX CONCURRENTLY people_team_idx;
DELETE FROM marks WHERE mark = '3c';
`,
  ],
  '0004_large': [
    `INSERT INTO people (id, name) VALUES\n${wide.join(',\n')};\n${streamed}INSERT INTO marks VALUES ('4');\n`,
    "DELETE FROM people WHERE id < 1000;\nDELETE FROM marks WHERE mark = '4';\n",
  ],
  '0005_copy': [
    `COPY people (id, name) FROM stdin;\n${wide.map((_row, id) => `${1000 + id}\tcopied; ${id}`).join('\n')}\n\\.\nINSERT INTO marks VALUES ('5');\n`,
    "DELETE FROM people WHERE id >= 1000;\nDELETE FROM marks WHERE mark = '5';\n",
  ],
  '0006_detach': [
    `-- pulse: no-transaction
INSERT INTO marks VALUES ('6a');
ALTER TABLE events DETACH PARTITION events_old CONCURRENTLY;
INSERT INTO marks VALUES ('6b');
`,
    `ALTER TABLE events ATTACH PARTITION events_old FOR VALUES FROM (0) TO (10);
DELETE FROM marks WHERE mark LIKE '6%';
`,
  ],
  '0007_last': ["INSERT INTO marks VALUES ('7');\n", "DELETE FROM marks WHERE mark = '7';\n"],
});

/** What is in a database, told by its catalog and its rows, and never by the ledger. */
export interface Observed {
  /** The catalog without the ledger's schema. */
  readonly catalog: string;
  readonly marks: readonly string[];
  readonly rows: number;
}

/** Looks at a database as it is now. */
export async function observe(database: Pick<TestDatabase, 'admin'>, look: Look): Promise<Observed> {
  const { hash } = await look();
  const [there] = await database.admin<{ there: boolean }>("SELECT to_regclass('marks') IS NOT NULL AS there");
  if (there?.there !== true) return { catalog: hash, marks: [], rows: 0 };
  const [row] = await database.admin<{ marks: string[] | null; rows: number }>(
    'SELECT (SELECT json_agg(mark ORDER BY mark) FROM marks) AS marks, (SELECT count(*)::int FROM people) AS rows',
  );
  return { catalog: hash, marks: row?.marks ?? [], rows: row?.rows ?? 0 };
}

/** Takes the fingerprint of the catalog, over a session that stays open. */
export type Look = () => Promise<{ readonly hash: string }>;

export async function openLook(database: Pick<TestDatabase, 'url'>): Promise<Look> {
  const session = await openSession(database.url);
  return () => catalogFingerprint(session, { excludeSchemas: ['pulse_migrate'] });
}

/** Empties a database for the next trial. */
export async function empty(database: Pick<TestDatabase, 'admin'>): Promise<void> {
  await database.admin(`SET client_min_messages = error; DROP SCHEMA IF EXISTS pulse_migrate CASCADE;
DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION pg_database_owner; GRANT USAGE ON SCHEMA public TO public;
COMMENT ON SCHEMA public IS 'standard public schema'; RESET client_min_messages`);
}

/**
 * What the database may hold with each number of migrations applied, from none on, when nothing goes wrong: what the
 * ups lead to, and what the downs lead back to (a partition that was attached again is not quite what it was).
 */
export async function learnStates(
  database: TestDatabase,
  project: Project,
  look: Look,
): Promise<readonly (readonly Observed[])[]> {
  await empty(database);
  const states = [[await observe(database, look)]];
  const versions = Object.keys(mixed).filter((name) => name.endsWith('.up.sql'));
  for (const _version of versions) {
    await project.done(['up', '--yes', '--steps', '1']);
    states.push([await observe(database, look)]);
  }
  for (let count = versions.length - 1; count >= 0; count -= 1) {
    await project.done(['down', '--i-know', '--yes']);
    states[count]?.push(await observe(database, look));
  }
  return states;
}
