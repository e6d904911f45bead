import { type HostileFile, partly, refused } from './hostile-file.ts';

const changed = refused('migration-failed', 'schema pulse_migrate');

function tampers(name: string, does: string, rest: Partial<HostileFile> = {}): HostileFile {
  return { name, mode: 'transaction', does, ends: changed, ...rest };
}

/** What a file may try on the tables of ours. */
export const ownTables: readonly HostileFile[] = [
  tampers('guard emptied', 'DELETE FROM pulse_migrate.guard;', { pooled: true }),
  tampers('guard truncated', 'TRUNCATE pulse_migrate.guard;'),
  tampers('guard dropped', 'DROP TABLE pulse_migrate.guard;'),
  tampers(
    'guard without its constraint',
    'ALTER TABLE pulse_migrate.guard DROP CONSTRAINT guard_promises_a_ledger_row;',
  ),
  tampers('guard with its triggers off', 'ALTER TABLE pulse_migrate.guard DISABLE TRIGGER ALL;'),
  tampers('guard that never loses a row', 'CREATE RULE keep AS ON DELETE TO pulse_migrate.guard DO INSTEAD NOTHING;'),
  tampers('ledger emptied', 'DELETE FROM pulse_migrate.ledger;', {
    ends: refused('migration-failed', 'append-only'),
    pooled: true,
  }),
  tampers('ledger truncated', 'TRUNCATE pulse_migrate.ledger CASCADE;'),
  tampers(
    'ledger emptied with its trigger off',
    'ALTER TABLE pulse_migrate.ledger DISABLE TRIGGER ALL; DELETE FROM pulse_migrate.ledger; ALTER TABLE pulse_migrate.ledger ENABLE TRIGGER ALL;',
  ),
  tampers(
    'ledger emptied under session_replication_role',
    'SET session_replication_role = replica; DELETE FROM pulse_migrate.ledger;',
  ),
  tampers(
    'ledger edited under session_replication_role',
    "SET session_replication_role = replica; UPDATE pulse_migrate.ledger SET up_checksum = 'x';",
  ),
  tampers(
    'a row written into the ledger',
    `INSERT INTO pulse_migrate.ledger (entry, version, number, name, action, outcome, effect, up_sql, in_transaction, actor, started_at, duration_ms, tool_version)
VALUES (gen_random_uuid(), '0003', 3, 'after', 'up', 'done', 'applied', 'SELECT 1', true, '{}', now(), 0, '0');`,
  ),
  tampers(
    'a trigger on the ledger that swallows rows',
    'CREATE FUNCTION public.swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;\nCREATE TRIGGER swallow BEFORE INSERT ON pulse_migrate.ledger FOR EACH ROW EXECUTE FUNCTION public.swallow();',
    { pooled: true },
  ),
  tampers(
    'a trigger on the ledger that raises',
    "CREATE FUNCTION public.refuses() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;\nCREATE TRIGGER refuses BEFORE INSERT ON pulse_migrate.ledger FOR EACH ROW EXECUTE FUNCTION public.refuses();",
  ),
  tampers(
    'a rule on the ledger that swallows rows',
    'CREATE RULE swallow AS ON INSERT TO pulse_migrate.ledger DO INSTEAD NOTHING;',
  ),
  tampers(
    'a rule on the ledger that doubles rows',
    'CREATE TABLE public.copies (LIKE pulse_migrate.ledger);\nCREATE RULE doubles AS ON INSERT TO pulse_migrate.ledger DO ALSO INSERT INTO public.copies SELECT NEW.*;',
  ),
  tampers(
    'row security on the ledger',
    "ALTER TABLE pulse_migrate.ledger ENABLE ROW LEVEL SECURITY; ALTER TABLE pulse_migrate.ledger FORCE ROW LEVEL SECURITY; CREATE POLICY hides ON pulse_migrate.ledger USING (version <> '0002') WITH CHECK (true);",
    { as: 'owner' },
  ),
  tampers(
    'a child table that adds rows to the ledger',
    'CREATE TABLE public.child () INHERITS (pulse_migrate.ledger);',
  ),
  tampers(
    'the view of what is applied replaced',
    'CREATE OR REPLACE VIEW pulse_migrate.applied AS SELECT id, entry, version, number, name, action, checksum_algorithm, up_checksum, down_checksum, in_transaction, id AS run_id, role, actor, started_at, finished_at, duration_ms FROM pulse_migrate.ledger WHERE false;',
  ),
  tampers(
    'the function of the append-only trigger replaced',
    'CREATE OR REPLACE FUNCTION pulse_migrate.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;',
  ),
  tampers('columns of the ledger dropped', 'ALTER TABLE pulse_migrate.ledger DROP COLUMN actor CASCADE;'),
  tampers('a column of the ledger added', 'ALTER TABLE pulse_migrate.ledger ADD COLUMN secret text;'),
  tampers('ledger renamed', 'ALTER TABLE pulse_migrate.ledger RENAME TO diary;'),
  tampers('schema of the ledger dropped', 'DROP SCHEMA pulse_migrate CASCADE;', { pooled: true }),
  tampers(
    'schema of the ledger dropped and made again',
    'DROP SCHEMA pulse_migrate CASCADE; CREATE SCHEMA pulse_migrate;',
  ),
  tampers('schema of the ledger renamed', 'ALTER SCHEMA pulse_migrate RENAME TO pulse_migrated;'),
  tampers('a table moved into the schema of the ledger', 'CREATE TABLE pulse_migrate.intruder ();', {
    // A schema may be shared with tables of others.
    ends: 'applied',
  }),
  tampers('record locked', 'LOCK TABLE pulse_migrate.ledger, pulse_migrate.lease IN ACCESS EXCLUSIVE MODE;'),
  tampers('lease given away', 'UPDATE pulse_migrate.lease SET token = gen_random_uuid();', { pooled: true }),
  tampers('lease given back', 'UPDATE pulse_migrate.lease SET token = NULL, backend_pid = NULL;'),
  tampers('lease emptied', 'DELETE FROM pulse_migrate.lease;'),
  tampers('lease dropped', 'DROP TABLE pulse_migrate.lease;'),
  tampers(
    'journal filled',
    "INSERT INTO pulse_migrate.journal (entry, number, direction, statement, statements, checksum, state) VALUES (gen_random_uuid(), 3, 'up', 1, 1, 'x', 'finished');",
  ),
  tampers('layout of a later version', "INSERT INTO pulse_migrate.layout (version, tool_version) VALUES (99, '99');"),
  tampers(
    'rights of everybody on the ledger revoked',
    'REVOKE ALL ON ALL TABLES IN SCHEMA pulse_migrate FROM CURRENT_USER; REVOKE ALL ON SCHEMA pulse_migrate FROM CURRENT_USER;',
    {
      as: 'owner',
      ends: refused('permission-denied', 'GRANT'),
    },
  ),
  tampers('drop owned', 'DROP OWNED BY CURRENT_USER CASCADE;', { as: 'owner' }),
  tampers(
    'reading and granting on the ledger, which is no harm',
    'GRANT USAGE ON SCHEMA pulse_migrate TO pg_monitor; GRANT SELECT ON pulse_migrate.applied TO pg_monitor; CREATE VIEW public.done AS SELECT version FROM pulse_migrate.applied;',
    {
      ends: 'applied',
      holds: "has_table_privilege('pg_monitor', 'pulse_migrate.applied', 'SELECT')",
    },
  ),
  {
    name: 'schema of the ledger dropped without a transaction',
    mode: 'no-transaction',
    does: 'DROP SCHEMA pulse_migrate CASCADE;',
    ends: partly('schema pulse_migrate', 'first mark'),
    pooled: true,
  },
  {
    name: 'lease emptied without a transaction',
    mode: 'no-transaction',
    does: 'DELETE FROM pulse_migrate.lease;',
    ends: partly('schema pulse_migrate', 'first mark'),
  },
  {
    name: 'lease given away without a transaction',
    mode: 'no-transaction',
    does: 'UPDATE pulse_migrate.lease SET token = gen_random_uuid();',
    ends: partly('schema pulse_migrate', 'first mark'),
  },
  {
    name: 'ledger emptied with its trigger off, without a transaction',
    mode: 'no-transaction',
    does: 'SET session_replication_role = replica;\nDELETE FROM pulse_migrate.ledger;\nDELETE FROM pulse_migrate.journal;',
    ends: partly('schema pulse_migrate', 'first mark'),
    mended: 'SET session_replication_role = replica;',
  },
];
