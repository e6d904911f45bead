import { expect } from 'vitest';
import { type TestDatabase, test } from '../../support/database.ts';
import { openProject, pairs, table } from '../../support/project.ts';
import { stateOf } from '../../support/untouched.ts';

const swallow = `CREATE FUNCTION public.swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER swallow BEFORE INSERT ON pulse_migrate.ledger FOR EACH ROW EXECUTE FUNCTION public.swallow();`;

const toothless = `CREATE OR REPLACE FUNCTION pulse_migrate.refuse_change() RETURNS trigger LANGUAGE plpgsql
AS $$ BEGIN RETURN NEW; END $$;`;

const hands: readonly (readonly [what: string, up: string])[] = [
  ['drops their schema', 'DROP SCHEMA pulse_migrate CASCADE;'],
  ['renames their schema', 'ALTER SCHEMA pulse_migrate RENAME TO elsewhere;'],
  ['keeps rows out of the ledger by a trigger', swallow],
  [
    'deletes from the ledger behind its trigger',
    'SET session_replication_role = replica; DELETE FROM pulse_migrate.ledger;',
  ],
  ['gives another table to the ledger as a child', 'CREATE TABLE child () INHERITS (pulse_migrate.ledger);'],
  ['gives the ledger an index', 'CREATE UNIQUE INDEX one_each ON pulse_migrate.ledger (number, action);'],
  ['deletes the lease', 'DELETE FROM pulse_migrate.lease;'],
  ['deletes the row of the guard', 'DELETE FROM pulse_migrate.guard;'],
  [
    'drops the trigger that keeps the ledger append-only',
    'DROP TRIGGER ledger_is_append_only ON pulse_migrate.ledger;',
  ],
  ['drops the function of that trigger', 'DROP FUNCTION pulse_migrate.refuse_change() CASCADE;'],
  ['replaces the function of that trigger', toothless],
  ['replaces it in a part of its transaction', `BEGIN ${toothless} EXCEPTION WHEN division_by_zero THEN NULL; END;`],
  ['lets that function search elsewhere', 'ALTER FUNCTION pulse_migrate.refuse_change() SET search_path = public;'],
  ['alters the sequence of the ledger', 'ALTER SEQUENCE pulse_migrate.ledger_id_seq INCREMENT BY 2;'],
  ['sets the sequence of the journal', "PERFORM setval('pulse_migrate.journal_id_seq', 1000);"],
];

for (const [mode, directive, behind] of [
  ['in one transaction', '', ''],
  ['in one transaction with COPY data', '', '\nCREATE TABLE c (id int);\nCOPY c FROM stdin;\n1\n\\.\n'],
  ['without one', '-- pulse: no-transaction\n', ''],
] as const) {
  // Sent part by part it is asked in another way; without a transaction there is no guard. The rest is one mechanism.
  const tried = directive + behind === '' ? hands : hands.filter(([what]) => /their schema|lease|index/.test(what));
  test.for(tried)(
    `a file that, ${mode}, works on our own tables and %s is refused by that name and leaves nothing`,
    async ([, up], { database }) => {
      const project = await openProject(pairs({ '0001_a': table('a') }), database);
      await project.done(['up']);
      // As a function would do it: no name in the text of the file tells.
      await database.admin(`CREATE PROCEDURE hand() LANGUAGE plpgsql AS $hand$ BEGIN ${up} END $hand$`);
      const before = await recordOf(database);
      await project.write(
        pairs({ '0002_hand': [`${directive}CALL hand();${behind}`, 'SELECT 1;'], '0003_b': table('b') }),
      );

      const document = (await project.cli(['up', '--json', '--backup-done'])).json();

      expect(document).toMatchObject({ exitCode: 5, error: { code: 'migration-failed' } });
      expect(document.error?.message).toContain('in schema pulse_migrate, which no migration may');
      expect(await recordOf(database)).toEqual(before);

      await project.write({ '0002_hand.up.sql': `${directive}SELECT 1;` });
      expect((await project.done(['up', '--json', '--backup-done'])).json().result).toMatchObject({ pending: [] });
    },
  );
}

/** The catalog, ours included, and what the record says is done: a file without a transaction adds a row that it failed. */
async function recordOf(database: TestDatabase) {
  const { catalog } = await stateOf(database);
  const rows = await database.admin(`SELECT l.*, (SELECT count(*) FROM pulse_migrate.lease) AS leases
FROM pulse_migrate.ledger AS l WHERE outcome = 'done' ORDER BY id`);
  return { catalog, rows };
}

test('a ledger that had a child once is no reason to refuse a file', async ({ database }) => {
  const project = await openProject(pairs({ '0001_a': table('a') }), database);
  await project.done(['up']);
  await database.admin('CREATE TABLE child () INHERITS (pulse_migrate.ledger); DROP TABLE child');
  await project.write(pairs({ '0002_b': table('b') }));

  expect((await project.done(['up', '--json', '--backup-done'])).json().result).toMatchObject({ pending: [] });
});

test('a ledger that somebody taught to swallow rows makes a migration fail, which would not be recorded', async ({
  database,
}) => {
  const project = await openProject(pairs({ '0001_a': table('a') }), database);
  await project.done(['up']);
  await database.admin(swallow);
  await project.write(pairs({ '0002_b': table('b') }));

  const document = (await project.cli(['up', '--json', '--backup-done'])).json();

  expect(document).toMatchObject({ exitCode: 5, error: { code: 'migration-failed' } });
  expect(document.error?.message).toContain('the ledger in schema pulse_migrate did not take the row');
  expect(document.error?.hint).toContain('trigger');
  expect(await database.admin("SELECT to_regclass('b') AS b")).toEqual([{ b: null }]);
  await database.admin('DROP TRIGGER swallow ON pulse_migrate.ledger');
  await project.done(['up', '--backup-done']);
});

test.for([
  ['in one transaction', ''],
  ['without one', '-- pulse: no-transaction\n'],
] as const)(
  'a file that, %s, sets the sequence of the ledger back is refused, and what it broke for good is told with its cure',
  async ([, directive], { database }) => {
    const project = await openProject(pairs({ '0001_a': table('a') }), database);
    await project.done(['up']);
    const up =
      "SELECT setval('pulse_migrate.ledger_id_seq', 1, false), setval('pulse_migrate.journal_id_seq', 1, false);";
    await project.write(pairs({ '0002_b': [directive + up, 'SELECT 1;'] }));

    const refused = (await project.cli(['up', '--json', '--backup-done'])).json();
    await database.admin(up);
    await project.write(pairs({ '0002_b': [`${directive}CREATE TABLE b ();`, 'SELECT 1;'] }));
    const next = (await project.cli(['up', '--json', '--backup-done'])).json();

    expect(refused).toMatchObject({ exitCode: 5, error: { code: 'migration-failed' } });
    expect(refused.error?.message).toContain('in schema pulse_migrate, which no migration may');
    expect(next.error?.message).toBe(
      'the sequence of pulse_migrate.ledger was set back: it gives numbers that are taken',
    );
    await database.admin(/SELECT [^;]*/.exec(next.error?.hint ?? '')?.[0] ?? '');
    await project.done(['up', '--backup-done']);
    expect(await database.admin("SELECT version FROM pulse_migrate.applied WHERE version = '0002'")).toHaveLength(1);
  },
);

test('reading and granting on the record, and an ANALYZE of everything, are nobody’s harm', async ({ database }) => {
  const up = `GRANT USAGE ON SCHEMA pulse_migrate TO pg_monitor; GRANT SELECT ON ALL TABLES IN SCHEMA pulse_migrate TO pg_monitor;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pulse_migrate TO pg_monitor; GRANT USAGE ON ALL SEQUENCES IN SCHEMA pulse_migrate TO pg_monitor;
CREATE VIEW done AS SELECT version FROM pulse_migrate.applied; ANALYZE;`;
  const project = await openProject(pairs({ '0001_a': [up, 'DROP VIEW done;'] }), database);

  await project.done(['up']);
  await project.done(['down', '--i-know']);
});

const forged: readonly (readonly [as: string, using: string])[] = [
  ['the guard', "ERRCODE = '23502', SCHEMA = 'pulse_migrate', TABLE = 'guard', COLUMN = 'token'"],
  ['the ledger', "ERRCODE = '23502', SCHEMA = 'pulse_migrate', TABLE = 'ledger', COLUMN = 'entry'"],
  ['the promise', "ERRCODE = '23503', SCHEMA = 'pulse_migrate', CONSTRAINT = 'guard_promises_a_ledger_row'"],
];

test.for(forged)(
  'an error that a file raises as %s would is told as what it is, at its statement and at COMMIT',
  async ([, using], { database }) => {
    const raise = `RAISE EXCEPTION 'forged' USING ${using};`;
    const late = `CREATE FUNCTION forges() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ${raise} END $$;
CREATE TABLE late (id int);
CREATE CONSTRAINT TRIGGER forges AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION forges();
INSERT INTO late VALUES (1);`;
    const project = await openProject(pairs({ '0001_a': [`DO $$ BEGIN ${raise} END $$;`, 'SELECT 1;'] }), database);

    for (const up of [null, late]) {
      if (up !== null) await project.write({ '0001_a.up.sql': up });
      expect((await project.cli(['up', '--json'])).json()).toMatchObject({
        exitCode: 5,
        error: { code: 'migration-failed', message: 'forged' },
      });
    }
  },
);
