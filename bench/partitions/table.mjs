import postgres from 'postgres';

const quiet = { max: 1, max_lifetime: null, fetch_types: false, onnotice: () => undefined };

/** Runs `work` with a connection of its own. */
export async function connected(url, work) {
  const sql = postgres(url, quiet);
  try {
    return await work(sql);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** Statements, one after the other. */
export async function execute(url, text) {
  await connected(url, (sql) => sql.unsafe(text));
}

/** The months the rows lie in. */
const months = 36;
const first = '2023-01-01 00:00:00+00';

/**
 * The table of the experiments: text ids, a foreign key that cascades, seven indexes, and times that grow with jitter of
 * a hundred days, so that in each block the months lie side by side. `oracle` takes what clients were told.
 */
export function tableOf(rows) {
  return `CREATE TABLE repos (id int PRIMARY KEY, name text NOT NULL DEFAULT '');
INSERT INTO repos SELECT generate_series(0, 1999);
CREATE TABLE commits (
  id text PRIMARY KEY DEFAULT gen_random_uuid()::text, repo_id int NOT NULL REFERENCES repos ON DELETE CASCADE, sha text NOT NULL,
  message text NOT NULL DEFAULT '', author text, committed_at timestamptz NOT NULL, additions int NOT NULL DEFAULT 0);
INSERT INTO commits (id, repo_id, sha, message, author, committed_at)
SELECT md5('id' || i)::uuid::text, i % 2000, md5(i::text), 'message of commit ' || i, 'author' || i % 500,
  timestamptz '${first}' + i * (interval '1080 days' / ${rows}) + ((hashint4(i) & 65535) / 65535.0 - 0.5) * interval '100 days' + interval '50 days' * (i < ${rows} / 20)::int
FROM generate_series(1, ${rows}) AS i;
ALTER TABLE commits ADD UNIQUE (repo_id, sha);
CREATE INDEX commits_repo ON commits (repo_id);
CREATE INDEX commits_repo_date ON commits (repo_id, committed_at DESC);
CREATE INDEX commits_author ON commits (author);
CREATE INDEX commits_date ON commits (committed_at DESC);
CREATE INDEX commits_brin ON commits USING brin (committed_at);
CREATE TABLE oracle (id text NOT NULL, kind "char" NOT NULL);
VACUUM ANALYZE`;
}

/** The floor of a conversion: the same rows into partitions that have no index, in one statement. */
export const floorTable = `CREATE TABLE floor (LIKE commits) PARTITION BY RANGE (committed_at);
DO $$ BEGIN FOR m IN 0..${months + 3} LOOP
  EXECUTE format('CREATE TABLE floor_%s PARTITION OF floor FOR VALUES FROM (%L) TO (%L)', m,
    timestamptz '${first}' + (m - 2) * interval '1 month', timestamptz '${first}' + (m - 1) * interval '1 month');
END LOOP; END $$;
CREATE TABLE floor_default PARTITION OF floor DEFAULT;`;
export const floorCopy = 'INSERT INTO floor SELECT * FROM commits';
export const floorIndexes = `ALTER TABLE floor ADD PRIMARY KEY (id, committed_at), ADD UNIQUE (repo_id, sha, committed_at);
CREATE INDEX ON floor (repo_id); CREATE INDEX ON floor (repo_id, committed_at DESC); CREATE INDEX ON floor (author);
CREATE INDEX ON floor (committed_at DESC); CREATE INDEX ON floor USING brin (committed_at);`;
