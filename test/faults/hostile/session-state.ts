import { type HostileFile, partly, refused } from './hostile-file.ts';

function sets(name: string, does: string, rest: Partial<HostileFile> = {}): HostileFile {
  return { name, mode: 'transaction', does, ends: 'applied', ...rest };
}

const notPooled = refused('pooler-refused', 'a setting for the whole session');

/** Settings, roles and everything else that lives in a session and must end with the file. */
export const sessionState: readonly HostileFile[] = [
  sets('search_path emptied', "SELECT pg_catalog.set_config('search_path', '', false);", { pooled: true }),
  sets('search_path to planted tables of our names', 'SET search_path = decoys;', {
    prepare: `CREATE SCHEMA decoys;
CREATE TABLE decoys.guard (entry uuid, promise uuid, token uuid);
CREATE TABLE decoys.ledger (LIKE pulse_migrate.ledger);
CREATE TABLE decoys.lease (LIKE pulse_migrate.lease);`,
    holds: '(SELECT count(*) = 0 FROM decoys.guard) AND (SELECT count(*) = 0 FROM decoys.ledger)',
    pooled: true,
  }),
  sets('search_path with public in front of pg_catalog', 'SET search_path = public, pg_catalog;', {
    prepare: `CREATE FUNCTION public.set_config(text, text, boolean) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;
CREATE FUNCTION public.pg_backend_pid() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE 'hijacked'; END $$;`,
    pooled: true,
  }),
  sets(
    'operators planted in public',
    `CREATE FUNCTION public.lies(uuid, uuid) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE OPERATOR public.= (leftarg = uuid, rightarg = uuid, function = public.lies);
SET search_path = public, pg_catalog;`,
  ),
  sets(
    'operators and functions planted in pg_temp',
    `CREATE FUNCTION pg_temp.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT '1999-01-01'::timestamptz $$;
CREATE FUNCTION pg_temp.lies(uuid, uuid) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT false';
CREATE OPERATOR pg_temp.= (leftarg = uuid, rightarg = uuid, function = pg_temp.lies);`,
  ),
  sets('set role', 'SET ROLE pg_monitor;', { marks: 'before', pooled: true }),
  sets('set session authorization', 'SET SESSION AUTHORIZATION pg_monitor;', { marks: 'before', pooled: true }),
  sets('role set by set_config', "SELECT set_config('role', 'pg_monitor', false);", { marks: 'before', pooled: true }),
  sets('session_replication_role set to replica', 'SET session_replication_role = replica;', { pooled: true }),
  sets('constraints all immediate', 'SET CONSTRAINTS ALL IMMEDIATE;', { pooled: true }),
  sets('constraints all immediate in a function', "DO $$ BEGIN EXECUTE 'SET CONSTRAINTS ALL IMMEDIATE'; END $$;"),
  sets(
    'constraints all immediate in a function of two names',
    "DO $$ BEGIN EXECUTE concat('SET CONSTR', 'AINTS ALL IMM', 'EDIATE'); END $$;",
  ),
  sets('the constraint of the guard immediate', 'SET CONSTRAINTS pulse_migrate.guard_promises_a_ledger_row IMMEDIATE;'),
  sets('constraints all deferred', 'SET CONSTRAINTS ALL DEFERRED;'),
  sets('statement_timeout of 1 ms', "SET statement_timeout = '1ms';", {
    marks: 'before',
    ends: ['applied', refused('migration-failed', 'canceling statement')],
    pooled: true,
  }),
  sets('lock_timeout of 1 ms', "SET lock_timeout = '1ms';", { pooled: true }),
  sets('idle_in_transaction_session_timeout of 1 ms', "SET idle_in_transaction_session_timeout = '1ms';", {
    marks: 'before',
    ends: ['applied', refused('connection-lost', 'rolled back')],
  }),
  sets(
    'transaction_timeout',
    "SELECT set_config(name, '1d', false) FROM pg_settings WHERE name = 'transaction_timeout';",
    { pooled: true },
  ),
  sets('default_transaction_read_only', 'SET default_transaction_read_only = on;', { pooled: true }),
  sets('transaction_read_only', 'SET transaction_read_only = on;', {
    marks: 'before',
    ends: refused('migration-failed', 'read-only transaction'),
  }),
  sets('set transaction read only', 'SET TRANSACTION READ ONLY;', {
    marks: 'before',
    ends: refused('migration-failed', 'read-only transaction'),
  }),
  sets(
    'default isolation and deferrable',
    'SET default_transaction_isolation = serializable; SET default_transaction_deferrable = on;',
    { pooled: true },
  ),
  sets('transaction isolation after a query', "SET transaction_isolation = 'serializable';", {
    ends: refused('migration-failed', 'must be called before any query'),
  }),
  sets(
    'session characteristics',
    'SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE READ ONLY;',
    { pooled: true },
  ),
  sets('standard_conforming_strings off', 'SET standard_conforming_strings = off;', {
    ends: refused('folder-invalid', 'standard_conforming_strings'),
  }),
  sets(
    'standard_conforming_strings off by set_config',
    "SELECT set_config('standard_conforming_strings', 'off', false);",
    { ends: refused('folder-invalid', 'standard_conforming_strings') },
  ),
  sets(
    'standard_conforming_strings off in a DO block',
    "DO $$ BEGIN PERFORM set_config('standard_conforming_strings', 'off', false); END $$;",
    { pooled: true },
  ),
  sets(
    'client_encoding of another kind, with letters',
    "SET client_encoding = 'LATIN1';\nCOMMENT ON TABLE public.mark_first IS 'é';",
    {
      holds: `obj_description('public.mark_first'::regclass) = U&'\\00e9' AND (SELECT up_sql LIKE U&'%\\00e9%' FROM pulse_migrate.ledger WHERE version = '0002')`,
      pooled: true,
    },
  ),
  sets(
    'client_encoding of another kind, with COPY data',
    "SET client_encoding = 'LATIN1';\nCREATE TABLE public.loaded (t text);\nCOPY public.loaded FROM stdin;\né\n\\.\n",
    {
      holds: `(SELECT t = U&'\\00e9' FROM public.loaded)`,
    },
  ),
  sets(
    'spelling of dates, intervals, bytes, numbers',
    "SET DateStyle = 'SQL, DMY'; SET IntervalStyle = 'sql_standard'; SET bytea_output = 'escape'; SET extra_float_digits = -15; SET TimeZone = 'Asia/Kathmandu';",
    { pooled: true },
  ),
  sets(
    'escape_string_warning, quote_all_identifiers, transform_null_equals, array_nulls, backslash_quote',
    'SET escape_string_warning = off; SET quote_all_identifiers = on; SET transform_null_equals = on; SET array_nulls = off; SET backslash_quote = on;',
    { pooled: true },
  ),
  sets('row_security off', 'SET row_security = off;', { pooled: true }),
  sets(
    'check_function_bodies off and client_min_messages',
    'SET check_function_bodies = off; SET client_min_messages = error;',
    { pooled: true },
  ),
  sets(
    'default tablespace and access method',
    "SET default_tablespace = 'pg_default'; SET default_toast_compression = 'pglz'; SET default_table_access_method = 'heap';",
    { pooled: true },
  ),
  sets('application_name', "SET application_name = 'somebody else';", { pooled: true }),
  sets('a setting of its own', "SET pulse.own = 'left over';", { pooled: true }),
  sets('reset all', 'RESET ALL;', { pooled: true }),
  sets('discard temp and plans', 'DISCARD TEMP; DISCARD PLANS; DISCARD SEQUENCES;', { pooled: true }),
  sets(
    'temporary tables of our names',
    'CREATE TEMPORARY TABLE guard (entry uuid); CREATE TEMPORARY TABLE ledger (id int); CREATE TEMPORARY TABLE lease (token uuid); CREATE TEMPORARY VIEW applied AS SELECT 1 AS version;',
    { pooled: true },
  ),
  sets('temporary table that hides a table of the next file', 'CREATE TEMPORARY TABLE after_it (id int);', {
    pooled: true,
  }),
  sets('prepared statement', 'PREPARE left_over AS SELECT 1;', { pooled: true }),
  sets('cursor with hold', 'DECLARE left_over CURSOR WITH HOLD FOR SELECT generate_series(1, 10);', { pooled: true }),
  sets('listen and notify', "LISTEN left_over; NOTIFY left_over, 'hello';", { pooled: true }),
  sets('session lock', 'SELECT pg_advisory_lock(7), pg_advisory_lock_shared(8);', { pooled: true }),
  sets('all advisory locks given up', 'SELECT pg_advisory_unlock_all();'),
  sets(
    'prepared statement and session lock of a file that fails',
    'PREPARE left_over AS SELECT 1; SELECT pg_advisory_lock(7); SELECT 1/0;',
    {
      ends: refused('migration-failed', 'division by zero'),
      pooled: true,
    },
  ),
  sets('large object left open', 'SELECT lo_open(lo_create(4711), 131072);', {
    holds: 'EXISTS (SELECT FROM pg_largeobject_metadata WHERE oid = 4711)',
  }),
  {
    name: 'role, search_path and timeout without a transaction',
    mode: 'no-transaction',
    marks: 'before',
    does: "SET search_path = pg_catalog;\nSET lock_timeout = '1ms';\nSET ROLE pg_monitor;",
    ends: 'applied',
    endsPooled: notPooled,
    pooled: true,
  },
  {
    name: 'session authorization without a transaction',
    mode: 'no-transaction',
    marks: 'before',
    does: 'SET SESSION AUTHORIZATION pg_monitor;\nSELECT 1;',
    ends: 'applied',
    endsPooled: notPooled,
    pooled: true,
  },
  {
    name: 'role and search_path set by a function without a transaction',
    mode: 'no-transaction',
    does: "DO $$ BEGIN PERFORM set_config('role', 'pg_monitor', false), set_config('search_path', '', false); END $$;",
    marks: 'before',
    ends: 'applied',
    pooled: true,
  },
  {
    name: 'discard all without a transaction',
    mode: 'no-transaction',
    does: 'DISCARD ALL;',
    ends: 'applied',
    pooled: true,
  },
  {
    name: 'statement_timeout without a transaction',
    mode: 'no-transaction',
    does: "SET statement_timeout = '300ms';\nSELECT pg_sleep(20);",
    ends: partly('2 of 4 statements are done', 'first mark'),
    mended: "SET statement_timeout = '300ms';\nSET statement_timeout = 0;",
  },
  {
    name: 'read only by default without a transaction',
    mode: 'no-transaction',
    marks: 'before',
    does: 'SET default_transaction_read_only = on;',
    ends: ['applied', partly('2 of 3 statements are done', 'both marks')],
    endsPooled: notPooled,
    pooled: true,
  },
  {
    name: 'prepared statement, cursor, listen and temporary table without a transaction',
    mode: 'no-transaction',
    does: 'PREPARE left_over AS SELECT 1;\nDECLARE left_over CURSOR WITH HOLD FOR SELECT 1;\nLISTEN left_over;\nCREATE TEMPORARY TABLE left_over (id int);\nSELECT pg_advisory_lock(7);',
    ends: 'applied',
    pooled: true,
  },
];
