import { PulseError } from '../errors.ts';
import { ident, join, type Sql, sql } from '../postgres/sql.ts';
import { refuseChange } from './layout.ts';

/** What a run holds locked itself, for reading or by row, does not count: a file's own hand takes stronger locks. */
const writtenTo = ['ledger', 'journal', 'layout', 'lease', 'applied'] as const;
const alsoThere = ['guard'] as const;
/** The first of `writtenTo`: their identity columns have sequences. */
const numbered = 2;

/**
 * True when the present transaction has written to the record, altered, dropped or replaced a table of it, or locked
 * one against others: all of that leaves a lock until the end of the transaction, whatever hid it (a function, a
 * trigger, session_replication_role). So does setting a sequence of it. A function leaves none, so what it says is
 * compared. Reading, granting and ANALYZE do not count. To be asked before the run writes its own row.
 */
export function touched(schema: string): Sql {
  const all = [...writtenTo, ...alsoThere].map((name) => relationOf(ident(schema, name)));
  const ledger = sql`r.tables[1]`;
  // OFFSET 0 keeps the server from looking every name up again for each place where it is used.
  return sql`(SELECT pg_catalog.array_position(r.tables, NULL) IS NOT NULL
  OR EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhparent = ${ledger})
  OR EXISTS (${changedFunction(ledger)})
  OR EXISTS (
    SELECT FROM pg_catalog.pg_locks AS l
    WHERE l.locktype = 'relation' AND l.pid = pg_catalog.pg_backend_pid()
      AND (l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
             AND l.relation = ANY (r.tables)
        OR l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock')
             AND (l.relation = ANY (r.tables[1:${writtenTo.length}]) OR l.relation = ANY (r.sequences))))
  FROM (SELECT t.tables, ARRAY(${sequencesOf(sql`t.tables[1:${numbered}]`)}) AS sequences
        FROM (SELECT ARRAY[${join(all)}] AS tables OFFSET 0) AS t OFFSET 0) AS r)`;
}

function relationOf(name: Sql): Sql {
  return sql`pg_catalog.to_regclass(${name.text})::pg_catalog.oid`;
}

/** Identity columns have their sequences internally; whoever sets or alters one keeps a lock on it. */
function sequencesOf(tables: Sql): Sql {
  return sql`SELECT d.objid FROM pg_catalog.pg_depend AS d
    WHERE d.classid = ${relations} AND d.refclassid = ${relations} AND d.refobjid = ANY (${tables}) AND d.deptype = 'i'`;
}

// An operator by name goes to the one whose types fit exactly, and oid = regclass could be a user's own.
const relations = sql`'pg_catalog.pg_class'::pg_catalog.regclass::pg_catalog.oid`;

/**
 * The function behind the append-only rule, written by the present transaction (or a part of it, whose number is later)
 * and not as it was made: a GRANT alone writes its row too.
 */
function changedFunction(ledger: Sql): Sql {
  return sql`SELECT FROM pg_catalog.pg_proc AS p
    WHERE p.oid = (SELECT t.tgfoid FROM pg_catalog.pg_trigger AS t WHERE t.tgrelid = ${ledger} AND t.tgname = 'ledger_is_append_only')
      AND pg_catalog.age(p.xmin) <= pg_catalog.age(pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.xid)
      AND (p.prosrc <> ${refuseChange.body} OR pg_catalog.array_to_string(p.proconfig, ' ') IS DISTINCT FROM ${refuseChange.setting})`;
}

/** For a file that has done so; everything is rolled back then. */
export function hasTouched(path: string, schema: string, cause?: unknown): PulseError {
  return new PulseError(
    'migration-failed',
    `${path} works on the tables of pulse-migrate in schema ${schema}, which no migration may alter, write to or lock`,
    {
      hint: `take what does so out of ${path}; pulse-migrate repair is the way to correct the record`,
      location: { file: path },
      ...(cause !== undefined && { cause }),
    },
  );
}
