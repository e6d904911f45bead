import { ident, raw, type Sql, sql } from '../postgres/sql.ts';

/** The layout this program writes. A ledger of a higher one was made by a newer program and is not touched. */
export const layoutVersion = 3;

/** Every name that the layouts give to a relation; where one is taken already, there is no room for a ledger. */
export const layoutRelations = [
  'layout',
  'ledger',
  'ledger_number_idx',
  'applied',
  'journal',
  'journal_entry_idx',
  'lease',
  'guard',
  'archive',
  'retention_run',
] as const;

/** A statement of our own DDL, with what it is for: the list is what a dry run prints and what the real run executes. */
export interface LayoutStatement {
  readonly purpose: string;
  readonly sql: Sql;
}

/** Comes before the first layout, unless the schema is there already. */
export function schemaStatement(schema: string): LayoutStatement {
  return {
    purpose: 'the schema of the tool, so that a migration may even drop schema public',
    sql: sql`CREATE SCHEMA ${ident(schema)}`,
  };
}

/** The trigger function that keeps the ledger append-only, as the server keeps it. */
export const refuseChange = {
  body: `
BEGIN
  RAISE EXCEPTION 'the ledger of pulse-migrate is append-only'
    USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'pulse-migrate repair adds a correcting row';
END
`,
  setting: 'search_path=pg_catalog',
} as const;

type Layout = (schema: string) => readonly LayoutStatement[];

const first: Layout = (schema) => {
  const table = (name: string) => ident(schema, name);
  return [
    {
      purpose: 'which layouts were installed, when and by which version of the tool',
      sql: sql`CREATE TABLE ${table('layout')} (
  version      integer     PRIMARY KEY,
  tool_version text        NOT NULL,
  installed_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
)`,
    },
    {
      purpose: 'the append-only record of every run',
      sql: sql`CREATE TABLE ${table('ledger')} (
  id                 bigint        GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  entry              uuid          NOT NULL UNIQUE,
  version            text          NOT NULL,
  number             numeric(20,0) NOT NULL,
  name               text          NOT NULL,
  action             text          NOT NULL CHECK (action IN ('up', 'down', 'baseline', 'import', 'repair')),
  outcome            text          NOT NULL CHECK (outcome IN ('done', 'failed', 'interrupted')),
  effect             text          NOT NULL CHECK (effect IN ('applied', 'reverted', 'none')),
  checksum_algorithm text,
  up_checksum        text,
  down_checksum      text,
  up_sql             text,
  down_sql           text,
  in_transaction     boolean       NOT NULL,
  role               text          NOT NULL DEFAULT session_user,
  actor              jsonb         NOT NULL,
  started_at         timestamptz   NOT NULL,
  finished_at        timestamptz   NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  duration_ms        double precision NOT NULL,
  lock_wait_ms       double precision,
  tool_version       text          NOT NULL,
  server_version     text          NOT NULL DEFAULT pg_catalog.current_setting('server_version'),
  details            jsonb         NOT NULL DEFAULT '{}',
  CHECK ((effect = 'none') = (outcome <> 'done')),
  CHECK (effect <> 'applied' OR up_sql IS NOT NULL)
)`,
    },
    {
      purpose: 'finds the latest row of each version',
      sql: sql`CREATE INDEX ledger_number_idx ON ${table('ledger')} (number, id DESC)`,
    },
    {
      // Of a repair of the record nobody wants to know when it was made, but when the migration ran and who ran it.
      purpose: 'what is applied now',
      sql: sql`CREATE VIEW ${table('applied')} AS
SELECT l.id, l.entry, l.version, l.number, l.name, l.action, l.checksum_algorithm, l.up_checksum, l.down_checksum,
       l.in_transaction, r.id AS run_id, r.role, r.actor, r.started_at, r.finished_at, r.duration_ms
FROM (
  SELECT DISTINCT ON (number) *
  FROM ${table('ledger')}
  WHERE effect <> 'none'
  ORDER BY number, id DESC
) AS l
CROSS JOIN LATERAL (
  SELECT run.id, run.role, run.actor, run.started_at, run.finished_at, run.duration_ms
  FROM ${table('ledger')} AS run
  WHERE run.number = l.number AND run.effect = 'applied'
  ORDER BY run.action = 'repair', run.id DESC
  LIMIT 1
) AS r
WHERE l.effect = 'applied'`,
    },
    {
      purpose: 'statements of files that run without a transaction, one row before and one after each',
      sql: sql`CREATE TABLE ${table('journal')} (
  id         bigint        GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  entry      uuid          NOT NULL,
  number     numeric(20,0) NOT NULL,
  direction  text          NOT NULL CHECK (direction IN ('up', 'down')),
  statement  integer       NOT NULL CHECK (statement > 0),
  statements integer       NOT NULL,
  checksum   text          NOT NULL,
  state      text          NOT NULL CHECK (state IN ('started', 'finished')),
  at         timestamptz   NOT NULL DEFAULT pg_catalog.clock_timestamp()
)`,
    },
    {
      purpose: 'finds what an interrupted run finished',
      sql: sql`CREATE INDEX journal_entry_idx ON ${table('journal')} (number, direction, id)`,
    },
    {
      purpose: 'one run at a time: who holds the lease',
      sql: sql`CREATE TABLE ${table('lease')} (
  single        boolean     PRIMARY KEY DEFAULT true CHECK (single),
  token         uuid        UNIQUE,
  pooled        boolean     NOT NULL DEFAULT false,
  backend_pid   integer,
  backend_start timestamptz,
  holder        jsonb,
  taken_at      timestamptz,
  expires_at    timestamptz
)`,
    },
    { purpose: 'the one row of the lease', sql: sql`INSERT INTO ${table('lease')} DEFAULT VALUES` },
    {
      purpose: 'a COMMIT hidden in a migration fails on this: its row promises a ledger row that is not there yet',
      sql: sql`CREATE TABLE ${table('guard')} (
  entry   uuid NOT NULL PRIMARY KEY,
  promise uuid CONSTRAINT guard_promises_a_ledger_row REFERENCES ${table('ledger')} (entry) DEFERRABLE INITIALLY DEFERRED,
  token   uuid NOT NULL
)`,
    },
    {
      purpose: 'the record is only ever added to',
      sql: sql`CREATE FUNCTION ${table('refuse_change')}() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$${raw(refuseChange.body)}$$`,
    },
    {
      purpose: 'the record is only ever added to',
      sql: sql`CREATE TRIGGER ledger_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ${table('ledger')}
  FOR EACH STATEMENT EXECUTE FUNCTION ${table('refuse_change')}()`,
    },
    ...comments(schema),
  ];
};

function comments(schema: string): LayoutStatement[] {
  const texts: ReadonlyArray<readonly [kind: 'TABLE' | 'VIEW', name: string, comment: string]> = [
    ['TABLE', 'layout', 'Layouts of this schema that pulse-migrate installed.'],
    [
      'TABLE',
      'ledger',
      'Append-only record of every migration run: what, when, by whom, with the SQL of both directions.',
    ],
    ['VIEW', 'applied', 'Migrations that are applied now: the latest row of each version that had an effect.'],
    ['TABLE', 'journal', 'Statements of migrations that run without a transaction, before and after each.'],
    ['TABLE', 'lease', 'The run that is at work, if any. Frees itself when its backend is gone.'],
    ['TABLE', 'guard', 'Empty between runs. Makes a COMMIT inside a migration fail.'],
  ];
  return [
    {
      purpose: 'says whose schema this is',
      sql: sql`COMMENT ON SCHEMA ${ident(schema)} IS 'Record of pulse-migrate: see the view "applied".'`,
    },
    ...texts.map(([kind, name, comment]) => ({
      purpose: 'says what it is for',
      sql:
        kind === 'TABLE'
          ? sql`COMMENT ON TABLE ${ident(schema, name)} IS ${comment}`
          : sql`COMMENT ON VIEW ${ident(schema, name)} IS ${comment}`,
    })),
  ];
}

/** Of a file that is too large to be kept the ledger has the checksum alone. */
const second: Layout = (schema) => [
  {
    purpose: 'a large file is known by its checksum, its text is not kept',
    sql: sql`ALTER TABLE ${ident(schema, 'ledger')} DROP CONSTRAINT ledger_check1,
  ADD CONSTRAINT ledger_knows_what_was_applied CHECK (effect <> 'applied' OR up_sql IS NOT NULL OR up_checksum IS NOT NULL)`,
  },
];

/** What is looked after besides migrations is recorded, too. */
const third: Layout = (schema) => [
  {
    purpose: 'which partitions were archived, and where they are',
    sql: sql`CREATE TABLE ${ident(schema, 'archive')} (
  id               bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  entry            uuid        NOT NULL UNIQUE,
  table_schema     text        NOT NULL,
  table_name       text        NOT NULL,
  partition_schema text        NOT NULL,
  partition_name   text        NOT NULL,
  range_from       text,
  range_to         text,
  columns          jsonb       NOT NULL,
  format           text        NOT NULL,
  place            text        NOT NULL,
  object           text        NOT NULL,
  endpoint         text,
  rows             bigint,
  content_bytes    bigint,
  content_sha256   text,
  stored_bytes     bigint,
  stored_sha256    text,
  archived_at      timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  dropped          boolean     NOT NULL DEFAULT false,
  loaded_at        timestamptz,
  restored_at      timestamptz,
  actor            jsonb       NOT NULL,
  tool_version     text        NOT NULL
)`,
  },
  {
    purpose: 'says what it is for',
    sql: sql`COMMENT ON TABLE ${ident(schema, 'archive')} IS ${'Archives of partitions: where they are, and what they have to read back as. Without rows: begun.'}`,
  },
  {
    purpose: 'what each rule of retention removed, counted in the transactions that removed it',
    sql: sql`CREATE TABLE ${ident(schema, 'retention_run')} (
  id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  run            uuid        NOT NULL,
  table_name     text        NOT NULL,
  action         text        NOT NULL,
  rule           jsonb       NOT NULL,
  state          text        NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'failed', 'interrupted')),
  cutoff         timestamptz NOT NULL,
  removed        bigint      NOT NULL DEFAULT 0,
  made           bigint      NOT NULL DEFAULT 0,
  transactions   bigint      NOT NULL DEFAULT 0,
  first_at       timestamptz,
  last_at        timestamptz,
  through        timestamptz,
  partitions     text[]      NOT NULL DEFAULT '{}',
  failure        text,
  role           text        NOT NULL DEFAULT session_user,
  actor          jsonb       NOT NULL,
  started_at     timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
  finished_at    timestamptz,
  tool_version   text        NOT NULL,
  server_version text        NOT NULL DEFAULT pg_catalog.current_setting('server_version'),
  CHECK ((state = 'running') = (finished_at IS NULL))
)`,
  },
  {
    purpose: 'says what it is for',
    sql: sql`COMMENT ON TABLE ${ident(schema, 'retention_run')} IS
  'Runs of the rules of retention: what went, counted in the transactions in which it went. Periods before "through" are put together.'`,
  },
];

/** Layouts in the order they are installed; each brings a schema from the version before it to its own. */
const layouts: readonly Layout[] = [first, second, third];

/** What brings a ledger of `from` (0: none) to the layout of this program; empty when it is there already. */
export function layoutStatements(schema: string, from: number, toolVersion: string): readonly LayoutStatement[] {
  return layouts.slice(from).flatMap((layout, index) => [
    ...layout(schema),
    {
      purpose: 'records the layout',
      sql: sql`INSERT INTO ${ident(schema, 'layout')} (version, tool_version) VALUES (${from + index + 1}, ${toolVersion})`,
    },
  ]);
}
