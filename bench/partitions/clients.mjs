import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connected } from './table.mjs';

/** Six clients and what they send; each write tells the oracle in the same statement, so both are there or neither. */
const scripts = {
  insert: [
    40,
    `\\set r random(0, 1999)
\\set d random(0, 1000)
WITH x AS (INSERT INTO commits (repo_id, sha, committed_at) VALUES (:r, md5(random()::text || clock_timestamp()), now() - :d * interval '1 day') RETURNING id)
INSERT INTO oracle SELECT id, 'i' FROM x;`,
  ],
  update: [
    30,
    `\\set n random(1, 20000)
WITH x AS (UPDATE commits SET additions = additions + 1 WHERE id = md5('id' || :n)::uuid::text RETURNING id)
INSERT INTO oracle SELECT id, 'u' FROM x;`,
  ],
  move: [
    5,
    `\\set n random(1, 2000)
\\set d random(0, 1000)
WITH x AS (UPDATE commits SET committed_at = now() - :d * interval '1 day' WHERE id = md5('id' || :n)::uuid::text RETURNING id)
INSERT INTO oracle SELECT id, 'm' FROM x;`,
  ],
  delete: [
    10,
    `\\set n random(20001, 60000)
WITH x AS (DELETE FROM commits WHERE id = md5('id' || :n)::uuid::text RETURNING id)
INSERT INTO oracle SELECT id, 'd' FROM x;`,
  ],
  read: [
    15,
    `\\set r random(0, 1999)
SELECT id FROM commits WHERE repo_id = :r AND committed_at > now() - interval '90 days' ORDER BY committed_at DESC LIMIT 50;`,
  ],
};

/** Starts the clients at `rate` transactions a second; `stop` ends them: `{ latencies, failed }`. */
export async function startClients(directory, url, rate) {
  await mkdir(directory, { recursive: true });
  const files = [];
  for (const [name, [weight, text]] of Object.entries(scripts)) {
    await writeFile(join(directory, `${name}.sql`), text);
    files.push('-f', `${name}.sql@${weight}`);
  }
  const args = ['-n', '-c', '6', '-j', '1', '-R', String(rate), '-T', '36000', '-l', '--log-prefix=log', ...files, url];
  const child = spawn('pgbench', args, { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
  const end = once(child, 'exit');
  return {
    async stop() {
      child.kill('SIGINT');
      await end;
      const latencies = [];
      for (const name of await readdir(directory)) {
        if (!name.startsWith('log.')) continue;
        for (const line of (await readFile(join(directory, name), 'utf8')).split('\n')) {
          // client, number, latency, script, epoch, microseconds, lag
          const [, , latency, , seconds, micros] = line.split(' ').map(Number);
          if (Number.isFinite(latency)) latencies.push({ at: seconds * 1000 + micros / 1000, ms: latency / 1000 });
        }
      }
      return { latencies, failed: (output.match(/\b(ERROR|aborted)\b/g) ?? []).length };
    },
  };
}

/** The value below which that share of the latencies between two times lies, milliseconds. */
export function percentile(latencies, share, from, to) {
  const within = latencies.filter(({ at }) => at >= from && at < to).map(({ ms }) => ms);
  within.sort((a, b) => a - b);
  return within[Math.min(within.length - 1, Math.floor(within.length * share))] ?? Number.NaN;
}

/** Rows that are not what the clients were told: lost, brought back, or changed another number of times. */
export async function differences(url, rows) {
  return connected(url, async (sql) => {
    const [{ wrong }] = await sql.unsafe(`WITH told AS (
  SELECT id, count(*) FILTER (WHERE kind = 'i') AS inserts, count(*) FILTER (WHERE kind = 'u') AS updates, count(*) FILTER (WHERE kind = 'd') AS deletes
  FROM oracle GROUP BY id)
SELECT (SELECT count(*) FROM told LEFT JOIN commits AS c USING (id)
    WHERE (c.id IS NULL) <> (deletes > 0) OR c.additions <> updates)
  + abs((SELECT count(*) FROM commits) - ${rows} - (SELECT sum(inserts - deletes) FROM told))
  + (SELECT count(*) - count(DISTINCT id) FROM commits) AS wrong`);
    return Number(wrong);
  });
}

/** Looks again and again which locks of clients' tables are held that stand against reading or writing; `stop` gives the longest, milliseconds. */
export function watchLocks(url, modes) {
  let isDone = false;
  let longest = 0;
  const watching = connected(url, async (sql) => {
    let since = null;
    while (!isDone) {
      const [{ held, now }] =
        await sql.unsafe(`SELECT count(*) > 0 AS held, extract(epoch FROM clock_timestamp()) * 1000 AS now
FROM pg_locks WHERE granted AND relation = to_regclass('commits') AND mode IN (${modes.map((mode) => `'${mode}'`).join(', ')})`);
      if (!held) since = null;
      else {
        since ??= Number(now);
        longest = Math.max(longest, Number(now) - since);
      }
    }
  });
  return {
    async stop() {
      isDone = true;
      await watching;
      return longest;
    },
  };
}
