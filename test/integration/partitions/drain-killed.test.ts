import { expect } from 'vitest';
import { openSession } from '../../support/open-session.ts';
import { test } from '../../support/program.ts';
import { openProject } from '../../support/project.ts';
import { until } from '../../support/until.ts';

const events = `CREATE TABLE events (id int NOT NULL, at timestamptz NOT NULL, d text NOT NULL, UNIQUE (id, at)) PARTITION BY RANGE (at);
CREATE TABLE events_2026_01 PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00');
CREATE TABLE events_default PARTITION OF events DEFAULT;
INSERT INTO events SELECT i, timestamptz '2026-02-01 00:00:00+00' + i * interval '1 minute', 'x' FROM generate_series(1, 20000) AS i;
CREATE FUNCTION wait() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
  IF current_setting('pulse_migrate.drained', true) <> '' THEN PERFORM pg_advisory_xact_lock(7); END IF; END $$;
CREATE EVENT TRIGGER waits ON ddl_command_end EXECUTE FUNCTION wait()`;

/** What the drain's session is seen doing when it is killed, and who stands in its way so that it is seen. */
const places = [
  ['its first lock', '%IN SHARE UPDATE EXCLUSIVE MODE', 'LOCK TABLE ONLY events IN SHARE UPDATE EXCLUSIVE MODE'],
  ['the copy', '%pulse_migrate_copied VALUES%', null],
  ['its locks at the end', '%LOCK TABLE%ACCESS EXCLUSIVE%', 'SELECT 1 FROM events LIMIT 1'],
  ['the settling under the lock', '%GET DIAGNOSTICS%', 'SELECT pg_advisory_xact_lock(7)'],
] as const;

test.for(places)(
  'a drain that is killed at %s loses and doubles nothing, and the next one ends it',
  async ([, seen, obstacle], { database, start }) => {
    await database.admin(events);
    const project = await openProject(null, database);
    await using holder = await openSession(database.url);
    if (obstacle !== null) await holder.run(`BEGIN; ${obstacle}`);
    await using writer = await openSession(database.url);
    const drain = start(project, ['partition', 'drain', 'events']);
    let written = 0;

    await until(`the drain at ${seen}`, async () => {
      // The record of the truth: what this writer was told is there.
      if (obstacle === null) {
        await writer.run(`UPDATE events SET d = 'w' WHERE id = ${1 + written * 3};
DELETE FROM events WHERE id = ${2 + written * 3};
INSERT INTO events VALUES (${100_000 + written}, '2026-02-07 00:00:00+00', 'new')`);
        written += 1;
      }
      const active = await database.admin(
        `SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid() AND query LIKE '${seen}'`,
      );
      return active.length > 0;
    });
    drain.kill('SIGKILL');
    await drain.ended;
    if (obstacle !== null) await holder.run('COMMIT');
    await project.done(['partition', 'drain', 'events', '--lock-retries', '50']);

    const [rows] = await database.admin(`SELECT count(*)::int AS rows, count(DISTINCT id)::int AS ids,
    count(*) FILTER (WHERE d = 'w')::int AS changed, count(*) FILTER (WHERE d = 'new')::int AS added FROM events`);
    expect(rows).toEqual({ rows: 20_000, ids: 20_000, changed: written, added: written });
    expect(await database.admin('SELECT FROM events_default')).toEqual([]);
    expect(await database.admin("SELECT FROM pg_class WHERE relname LIKE 'pulse_migrate%'")).toEqual([]);
  },
);
