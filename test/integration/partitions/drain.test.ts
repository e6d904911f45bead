import { expect } from 'vitest';
import type { Session } from '../../../src/postgres/session.ts';
import { type TestDatabase, test } from '../../support/database.ts';
import { openSession } from '../../support/open-session.ts';
import { openProject } from '../../support/project.ts';

const events = `CREATE TABLE kinds (id int PRIMARY KEY);
INSERT INTO kinds SELECT generate_series(1, 5);
CREATE TABLE events (id int NOT NULL, at timestamptz, kind int NOT NULL REFERENCES kinds, d text NOT NULL DEFAULT '',
  width int GENERATED ALWAYS AS (length(d)) STORED, UNIQUE (id, at)) PARTITION BY RANGE (at);
CREATE INDEX events_kind ON events (kind);
CREATE TABLE events_2026_01 PARTITION OF events FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00');
CREATE TABLE events_default PARTITION OF events DEFAULT;
CREATE TABLE fired (what text);
CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.fired VALUES (tg_op); RETURN NULL; END $$;
`;

const waiting = `INSERT INTO events (id, at, kind, d)
SELECT i, timestamptz '2026-02-01 00:00:00+00' + i * interval '20 minutes', 1 + i % 5, 'x' || i FROM generate_series(1, 4000) AS i;
`;

/** How many rows each partition holds. */
async function heldBy({ admin }: TestDatabase): Promise<Readonly<Record<string, number>>> {
  const rows = await admin<{ name: string; rows: number }>(
    'SELECT tableoid::regclass::text AS name, count(*)::int AS rows FROM events GROUP BY 1 ORDER BY 1',
  );
  return Object.fromEntries(rows.map(({ name, rows: count }) => [name, count]));
}

test('waiting rows get partitions of their own, nothing is lost, and a second run changes nothing', async ({
  database,
}) => {
  await database.admin(`${events}${waiting}
INSERT INTO events (id, at, kind) VALUES (0, 'infinity', 1), (0, NULL, 2)`);
  const project = await openProject(null, database);
  const content = 'SELECT * FROM events ORDER BY id, at, kind';
  const before = await database.admin(content);

  const first = await project.done(['partition', 'drain', 'events', '--json']);
  const second = await project.done(['partition', 'drain', 'events', '--json']);

  expect(first.json().result).toMatchObject({
    drained: [
      { name: 'events_2026_02', from: '2026-02-01T00:00:00Z', to: '2026-03-01T00:00:00Z', rows: 2015, late: 0 },
      { name: 'events_2026_03', rows: 1985, late: 0 },
    ],
    timeless: 2,
  });
  expect(second.json().result).toMatchObject({ drained: [], timeless: 2 });
  expect(await heldBy(database)).toEqual({ events_2026_02: 2015, events_2026_03: 1985, events_default: 2 });
  expect(await database.admin(content)).toEqual(before);
  const [keys] = await database.admin(`SELECT count(*)::int AS keys FROM pg_constraint
    WHERE conrelid = 'events_2026_02'::regclass AND contype = 'f' AND convalidated`);
  expect(keys).toEqual({ keys: 1 });
  expect(await database.admin("SELECT FROM pg_constraint WHERE conname LIKE 'pulse%'")).toEqual([]);
});

test('no trigger fires for a move, and each fires as before after it', async ({ database }) => {
  await database.admin(`${events}
CREATE TRIGGER every_row AFTER INSERT OR DELETE OR UPDATE ON events FOR EACH ROW EXECUTE FUNCTION fire();
CREATE TRIGGER by_default AFTER DELETE ON events_default FOR EACH ROW EXECUTE FUNCTION fire();
CREATE TRIGGER of_leaf BEFORE INSERT ON events_2026_01 FOR EACH ROW EXECUTE FUNCTION fire();
ALTER TABLE events_default ENABLE ALWAYS TRIGGER by_default;
${waiting}TRUNCATE fired`);
  const enabled = `SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'events_default'::regclass AND NOT tgisinternal ORDER BY 1`;
  const before = await database.admin(enabled);
  const project = await openProject(null, database);

  await project.done(['partition', 'drain', 'events']);

  expect(await database.admin('SELECT * FROM fired')).toEqual([]);
  expect(await database.admin(enabled)).toEqual(before);
  await database.admin('DELETE FROM events WHERE id = 1');
  expect(await database.admin('SELECT * FROM fired')).toEqual([{ what: 'DELETE' }]);
});

const unsafe = [
  [
    'CREATE TABLE notes (id int, at timestamptz, FOREIGN KEY (id, at) REFERENCES events (id, at))',
    'foreign keys point',
  ],
  ['CREATE PUBLICATION p FOR TABLE events', 'it is published'],
  ['CREATE RULE r AS ON DELETE TO events_default DO INSTEAD NOTHING', 'it has rules'],
  ["UPDATE events SET at = at + id * interval '40 days'", 'partitions, of a month each'],
] as const;

test.for(unsafe)('with %s nothing is moved, and the reason is told', async ([made, why], { database }) => {
  await database.admin(`${events}${waiting}${made}`);
  const project = await openProject(null, database);

  const run = await project.cli(['partition', 'drain', 'events', '--json']);

  expect(run.json()).toMatchObject({
    exitCode: 2,
    error: { code: 'not-possible', message: expect.stringContaining(why) },
  });
  expect(await heldBy(database)).toEqual({ events_default: 4000 });
});

test('more rows than clients may wait for are refused with how long that would be, and moved where it is allowed', async ({
  database,
}) => {
  await database.admin(`${events}${waiting}`);
  const project = await openProject(null, database);

  const refused = await project.cli(['partition', 'drain', 'events', '--max-rows', '2000', '--json']);
  const untouched = await heldBy(database);
  await project.done(['partition', 'drain', 'events', '--max-rows', '2015']);

  expect(refused.json()).toMatchObject({
    exitCode: 2,
    error: { code: 'not-possible', message: expect.stringContaining('events_default holds 2015 rows for 2026-02-01') },
  });
  expect(untouched).toEqual({ events_default: 4000 });
  expect(Object.keys(await heldBy(database))).toEqual(['events_2026_02', 'events_2026_03']);
});

test('a reader who does not end is named, and nothing was moved', async ({ database }) => {
  await database.admin(`${events}${waiting}`);
  const project = await openProject(null, database);
  await using reader = await openSession(database.url);
  await reader.run('BEGIN; SELECT count(*) FROM events');

  const held = await project.cli(['partition', 'drain', 'events', '--lock-retries', '2', '--json']);

  expect(held.json()).toMatchObject({ exitCode: 4, error: { code: 'lock-not-obtained' } });
  expect(held.json().error?.now?.join()).toContain(`pid ${reader.backendPid}`);
  expect(await heldBy(database)).toEqual({ events_default: 4000 });
});

test('what a dry run prints moves the rows when it is run', async ({ database }) => {
  await database.admin(`${events}${waiting}DELETE FROM events WHERE at >= '2026-03-01 00:00:00+00'`);
  const project = await openProject(null, database);

  const shown = await project.done(['partition', 'drain', 'events', '--dry-run']);
  expect(Object.keys(await heldBy(database))).toEqual(['events_default']);
  await database.admin(`BEGIN; ${shown.stdout}; COMMIT`);

  expect(Object.keys(await heldBy(database))).toEqual(['events_2026_02']);
});

/** Writes without a pause and keeps its own record of what has to be there; a failed statement fails the test. */
async function write(session: Session, writer: number, isDone: () => boolean): Promise<Map<number, string>> {
  const truth = new Map<number, string>();
  for (let turn = 0; !isDone(); turn += 1) {
    const id = 10_000 + 2 * turn + writer;
    const at = `2026-02-${String(1 + (turn % 28)).padStart(2, '0')} 12:00:00+00`;
    await session.run(`INSERT INTO events (id, at, kind, d) VALUES (${id}, '${at}', 1, 'new')`);
    truth.set(id, 'new');
    // Rows that were there before, odd ones for one writer and even ones for the other.
    const old = 1 + ((2 * turn * 7 + writer) % 2000);
    if (turn % 3 === 0) {
      await session.run(`DELETE FROM events WHERE id = ${old}`);
      truth.set(old, 'gone');
    } else if (truth.get(old) !== 'gone') {
      const [row] = await session.rows({
        text: `UPDATE events SET d = 'w${turn}' WHERE id = ${old} RETURNING id`,
      });
      if (row === undefined) throw new Error(`the row ${old} was not found`);
      truth.set(old, `w${turn}`);
    }
  }
  return truth;
}

async function expectTruth({ admin }: TestDatabase, truths: readonly ReadonlyMap<number, string>[]): Promise<void> {
  const expected = new Map(Array.from({ length: 4000 }, (_, index) => [index + 1, `x${index + 1}`]));
  for (const [id, text] of truths.flatMap((truth) => [...truth])) {
    if (text === 'gone') expected.delete(id);
    else expected.set(id, text);
  }
  const rows = await admin<{ id: number; d: string }>('SELECT id, d FROM events ORDER BY id');
  expect(rows.map(({ id, d }) => `${id} ${d}`)).toEqual(
    [...expected].sort(([a], [b]) => a - b).map(([id, d]) => `${id} ${d}`),
  );
}

test('writers beside three drains at once see no error, and every row is there once as it was last written', async ({
  database,
}) => {
  await database.admin(`${events}${waiting}`);
  const project = await openProject(null, database);
  const sessions = [await openSession(database.url), await openSession(database.url)];
  let isDone = false;
  const writers = sessions.map((session, index) => write(session, index, () => isDone));

  const argv = ['partition', 'drain', 'events', '--lock-retries', '50', '--json'];
  const runs = await Promise.all([project.cli(argv), project.cli(argv), project.cli(argv)]);
  isDone = true;
  const truths = await Promise.all(writers);

  expect(runs.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0]);
  const drained = runs.flatMap((run) => (run.json().result as { drained: { name: string }[] }).drained);
  expect(drained.map(({ name }) => name).sort()).toEqual(['events_2026_02', 'events_2026_03']);
  expect(Object.keys(await heldBy(database))).toEqual(['events_2026_02', 'events_2026_03']);
  await expectTruth(database, truths);
});
