/**
 * Statements with what `cannotRunInTransaction` says of them: held against our rules without a server, and against
 * the server inside a transaction. They name objects of `preparation` and the database `current`.
 */
export interface TransactionCase {
  readonly sql: string;
  readonly rule: string | null;
}

/** Objects the statements are about; the subscription exists without ever reaching a publisher. */
export const preparation = `
CREATE TABLE t (a int); CREATE INDEX ti ON t (a); CREATE TYPE mood AS ENUM ('calm');
CREATE TABLE p (a int) PARTITION BY LIST (a); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
CREATE SUBSCRIPTION current CONNECTION 'host=127.0.0.1 port=1 dbname=none' PUBLICATION a WITH (connect = false);
ALTER SUBSCRIPTION current ENABLE;`;

/** Gives the subscription up, without which its database could not be dropped. */
export const cleaning = `ALTER SUBSCRIPTION current DISABLE; ALTER SUBSCRIPTION current SET (slot_name = NONE); DROP SUBSCRIPTION current;`;

const subscribe = `CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1 port=1 dbname=none' PUBLICATION a`;

export const transactionCases: readonly TransactionCase[] = [
  { sql: 'CREATE DATABASE x', rule: 'CREATE DATABASE' },
  { sql: 'drop /* c */ database IF EXISTS x', rule: 'DROP DATABASE' },
  { sql: 'DROP DATABASE x (FORCE)', rule: 'DROP DATABASE' },
  { sql: 'ALTER DATABASE "current" SET TABLESPACE pg_default', rule: 'ALTER DATABASE … SET TABLESPACE' },
  { sql: 'ALTER DATABASE "current" SET work_mem = 100', rule: null },
  { sql: "CREATE TABLESPACE x LOCATION 'x'", rule: 'CREATE TABLESPACE' },
  { sql: 'DROP TABLESPACE IF EXISTS x', rule: 'DROP TABLESPACE' },
  { sql: 'ALTER SYSTEM RESET work_mem', rule: 'ALTER SYSTEM' },
  { sql: 'VACUUM', rule: 'VACUUM' },
  { sql: 'VACUUM (ANALYZE, FULL) t', rule: 'VACUUM' },
  { sql: 'ANALYZE t', rule: null },
  { sql: 'CREATE INDEX CONCURRENTLY ON t (a)', rule: 'CREATE INDEX CONCURRENTLY' },
  { sql: 'Create Unique Index -- one\n concurrently if not exists i on t (a)', rule: 'CREATE INDEX CONCURRENTLY' },
  { sql: 'CREATE INDEX "concurrently" ON t (a)', rule: null },
  { sql: 'CREATE INDEX i ON t (a)', rule: null },
  { sql: 'DROP INDEX CONCURRENTLY IF EXISTS ti', rule: 'DROP INDEX CONCURRENTLY' },
  { sql: 'DROP INDEX ti', rule: null },
  { sql: 'REINDEX TABLE CONCURRENTLY t', rule: 'REINDEX CONCURRENTLY' },
  { sql: 'REINDEX (VERBOSE, CONCURRENTLY) INDEX ti', rule: 'REINDEX CONCURRENTLY' },
  { sql: 'REINDEX (CONCURRENTLY off) TABLE t', rule: null },
  { sql: 'REINDEX INDEX ti', rule: null },
  { sql: 'REINDEX SCHEMA public', rule: 'REINDEX SCHEMA' },
  { sql: 'REINDEX (VERBOSE) SCHEMA public', rule: 'REINDEX SCHEMA' },
  { sql: 'REINDEX DATABASE "current"', rule: 'REINDEX DATABASE' },
  { sql: 'REINDEX SYSTEM "current"', rule: 'REINDEX SYSTEM' },
  { sql: 'CLUSTER', rule: 'CLUSTER of all tables' },
  { sql: 'CLUSTER VERBOSE', rule: 'CLUSTER of all tables' },
  { sql: 'CLUSTER t USING ti', rule: null },
  { sql: 'CLUSTER (VERBOSE) t USING ti', rule: null },
  {
    sql: 'ALTER TABLE p DETACH PARTITION public."p1" CONCURRENTLY',
    rule: 'ALTER TABLE … DETACH PARTITION CONCURRENTLY',
  },
  {
    sql: 'ALTER TABLE IF EXISTS ONLY p DETACH PARTITION p1 CONCURRENTLY',
    rule: 'ALTER TABLE … DETACH PARTITION CONCURRENTLY',
  },
  { sql: 'ALTER TABLE p DETACH PARTITION p1', rule: null },
  { sql: 'ALTER TABLE p DETACH PARTITION p1 FINALIZE', rule: null },
  { sql: 'ALTER TABLE t ADD COLUMN "concurrently" int', rule: null },
  { sql: subscribe, rule: 'CREATE SUBSCRIPTION with a replication slot' },
  { sql: `${subscribe} WITH (enabled = false, slot_name = 'x')`, rule: 'CREATE SUBSCRIPTION with a replication slot' },
  { sql: `${subscribe} WITH (create_slot)`, rule: 'CREATE SUBSCRIPTION with a replication slot' },
  { sql: `${subscribe} WITH (connect = 'false')`, rule: null },
  { sql: `${subscribe} WITH (create_slot = off, "enabled" = false)`, rule: null },
  { sql: 'DROP SUBSCRIPTION current', rule: 'DROP SUBSCRIPTION with a replication slot' },
  { sql: 'ALTER SUBSCRIPTION current REFRESH PUBLICATION', rule: 'ALTER SUBSCRIPTION … REFRESH' },
  { sql: 'ALTER SUBSCRIPTION current SET PUBLICATION a, b', rule: 'ALTER SUBSCRIPTION … SET PUBLICATION with refresh' },
  {
    sql: 'ALTER SUBSCRIPTION current ADD PUBLICATION b WITH (copy_data = false)',
    rule: 'ALTER SUBSCRIPTION … ADD PUBLICATION with refresh',
  },
  { sql: 'ALTER SUBSCRIPTION current SET PUBLICATION b WITH (refresh = false)', rule: null },
  { sql: 'ALTER SUBSCRIPTION current SET (binary = true)', rule: null },
  { sql: 'ALTER SUBSCRIPTION current DISABLE', rule: null },
  { sql: "COMMIT PREPARED 'x'", rule: 'COMMIT PREPARED' },
  { sql: "ROLLBACK PREPARED 'x'", rule: 'ROLLBACK PREPARED' },
  { sql: 'DISCARD ALL', rule: 'DISCARD ALL' },
  { sql: 'DISCARD PLANS', rule: null },
  { sql: "ALTER TYPE mood ADD VALUE 'glad'", rule: null },
  { sql: "INSERT INTO t SELECT 1 WHERE 'VACUUM' <> ''", rule: null },
];
