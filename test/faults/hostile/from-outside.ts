import { type HostileFile, partly, refused } from './hostile-file.ts';

function file(name: string, does: string, rest: Partial<HostileFile> = {}): HostileFile {
  return { name, mode: 'transaction', does, ends: 'applied', ...rest };
}

function raises(name: string, using: string, rest: Partial<HostileFile> = {}): HostileFile {
  return file(name, `DO $$ BEGIN RAISE EXCEPTION 'forged' USING ${using}; END $$;`, {
    ends: refused('migration-failed', 'forged'),
    ...rest,
  });
}

/** Errors that look like ours or like the end of the connection, and what works on the server, not on the session. */
export const fromOutside: readonly HostileFile[] = [
  raises('raise 57P01', "ERRCODE = '57P01'"),
  raises('raise 57P03', "ERRCODE = '57P03'"),
  raises('raise 25P03', "ERRCODE = '25P03'"),
  raises('raise 40001', "ERRCODE = '40001'", { ends: refused('lock-not-obtained', 'forged') }),
  raises('raise 55P03', "ERRCODE = '55P03'", { ends: refused('lock-not-obtained', 'forged') }),
  raises('raise 57014', "ERRCODE = '57014'"),
  raises('raise 42501', "ERRCODE = '42501'"),
  raises('raise 08006', "ERRCODE = '08006'"),
  raises('raise 2D000', "ERRCODE = '2D000'"),
  raises('raise as the guard would', "ERRCODE = '23502', SCHEMA = 'pulse_migrate', TABLE = 'guard', COLUMN = 'token'"),
  raises(
    'raise as the ledger would',
    "ERRCODE = '23502', SCHEMA = 'pulse_migrate', TABLE = 'ledger', COLUMN = 'entry'",
  ),
  raises(
    'raise as the promise would',
    "ERRCODE = '23503', SCHEMA = 'pulse_migrate', TABLE = 'guard', CONSTRAINT = 'guard_promises_a_ledger_row'",
  ),
  file(
    'raise at COMMIT as the ledger would',
    `CREATE FUNCTION public.forges() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'forged' USING ERRCODE = '23502', SCHEMA = 'pulse_migrate', TABLE = 'ledger'; END $$;
CREATE TABLE public.late (id int);
CREATE CONSTRAINT TRIGGER forges AFTER INSERT ON public.late DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.forges();
INSERT INTO public.late VALUES (1);`,
    { ends: refused('migration-failed', 'forged') },
  ),
  file('end of its own backend', 'SELECT pg_terminate_backend(pg_backend_pid());', {
    ends: refused('connection-lost', 'rolled back'),
  }),
  file('cancel of its own backend', 'SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(1);', {
    ends: refused('migration-failed', 'canceling statement'),
  }),
  file(
    'event trigger that raises on DROP and ALTER',
    `CREATE FUNCTION public.refuses() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no more DROP'; END $$;
CREATE EVENT TRIGGER refuses ON ddl_command_start WHEN TAG IN ('DROP TABLE', 'ALTER TABLE') EXECUTE FUNCTION public.refuses();`,
    {
      holds: "EXISTS (SELECT FROM pg_event_trigger WHERE evtname = 'refuses')",
    },
  ),
  file(
    'event trigger that empties the guard',
    `CREATE FUNCTION public.empties() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM pulse_migrate.guard; END $$;
CREATE EVENT TRIGGER empties ON ddl_command_end EXECUTE FUNCTION public.empties();`,
    {
      ends: refused('migration-failed', 'schema pulse_migrate'),
    },
  ),
  file(
    'setting of the role',
    'ALTER ROLE CURRENT_USER SET search_path = nowhere; ALTER ROLE CURRENT_USER SET standard_conforming_strings = off;',
    {
      holds:
        "EXISTS (SELECT FROM pg_db_role_setting AS s JOIN pg_roles AS r ON r.oid = s.setrole WHERE r.rolname LIKE '%_chief')",
    },
  ),
  file(
    'setting of the database',
    `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET session_replication_role = replica; ALTER DATABASE %I SET client_encoding = LATIN1', current_database(), current_database()); END $$;`,
  ),
  file('copy to a program', "COPY (SELECT 1) TO PROGRAM 'cat > /dev/null';"),
  file(
    'copy from stdin that the splitter cannot see',
    `DO $$ BEGIN EXECUTE 'COPY public.mark_first FROM stdin'; END $$;`,
    {
      ends: refused('migration-failed', 'COPY'),
    },
  ),
  file('copy to stdout', 'COPY (SELECT generate_series(1, 1000)) TO stdout;', {
    ends: refused('folder-invalid', 'TO stdout'),
  }),
  file('notice in great number', "DO $$ BEGIN FOR n IN 1..5000 LOOP RAISE NOTICE 'line %', n; END LOOP; END $$;"),
  file(
    'error text with control characters',
    `DO $$ BEGIN RAISE EXCEPTION '%', E'\\x1b[2J\\x1b]0;owned\\x07 forged'; END $$;`,
    {
      ends: refused('migration-failed', 'forged'),
    },
  ),
  file('database dropped', 'DROP DATABASE postgres;', { ends: refused('folder-invalid', 'DROP DATABASE') }),
  file('alter system', "ALTER SYSTEM SET work_mem = '1GB';", { ends: refused('folder-invalid', 'ALTER SYSTEM') }),
  file('schema public dropped', 'DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE TABLE public.mark_first ();'),
  {
    name: 'end of its own backend without a transaction',
    mode: 'no-transaction',
    does: 'SELECT pg_terminate_backend(pg_backend_pid());',
    ends: { code: 'connection-lost', says: 'was stopped: 1 of 3', left: 'first mark' },
  },
  {
    name: 'raise 57P01 without a transaction',
    mode: 'no-transaction',
    does: "DO $$ BEGIN RAISE EXCEPTION 'forged' USING ERRCODE = '57P01'; END $$;",
    ends: partly('forged', 'first mark'),
  },
  {
    name: 'index with the name of another, IF NOT EXISTS, without a transaction',
    mode: 'no-transaction',
    prepare:
      'CREATE TABLE public.rows (id int); INSERT INTO public.rows VALUES (1), (1); CREATE TABLE public.others (id int); CREATE INDEX rows_key ON public.others (id);',
    does: 'CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS rows_key ON public.rows (id);',
    ends: partly('rows_key', 'first mark'),
    mended: 'CREATE INDEX CONCURRENTLY IF NOT EXISTS rows_idx ON public.rows (id);',
  },
];
