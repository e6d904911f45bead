import { PulseError } from '../errors.ts';
import type { Emit } from '../events.ts';
import { allAnswers } from '../postgres/answers.ts';
import { StatementError } from '../postgres/errors.ts';
import { boundedBegin } from '../postgres/idle-limit.ts';
import type { Session } from '../postgres/session.ts';
import { ident, sql } from '../postgres/sql.ts';
import { explainLedgerStatement } from './explain.ts';
import { layoutRelations, layoutStatements, layoutVersion, schemaStatement } from './layout.ts';
import { readLedger } from './read.ts';

/** What an installation needs from outside. */
export interface InstallDeps {
  readonly session: Session;
  readonly emit: Emit;
  readonly now: () => Date;
  readonly sleep: (milliseconds: number) => Promise<void>;
}

export interface Installation {
  readonly schema: string;
  readonly toolVersion: string;
  /** How long to wait for another installer, milliseconds. */
  readonly waitMs: number;
}

/** Serialises installation; the number is arbitrary and only ever held inside one short transaction. */
const installationLock = 5_871_103_244_912n;

/**
 * Codes that two installers can give each other without any fault where one of them is a script run by hand, without
 * the lock: IF NOT EXISTS is not safe against a race (measured: 23505 on a catalog index in 9 of 26 failures of a peer).
 */
const raceCodes = new Set(['23505', '42P06', '42P07', '42710', '40P01', '40001', 'XX000']);
const racesAtMost = 5;
const afterRaceMs = 50;

/** How long the statements of an installation wait for a lock. */
const lockTimeoutMs = 1000;

/** Between two looks at a lock that another installer holds. */
const pollMs = 200;

/**
 * Makes the ledger, or brings it to the layout of this program; nothing happens when it is there.
 * @throws {PulseError} `lock-not-obtained` when another installer does not end in time, `not-possible` when the schema
 * holds something of the same name that is not ours, `permission-denied`, `read-only-server`.
 */
export async function installLedger(deps: InstallDeps, wanted: Installation): Promise<void> {
  const { session, sleep } = deps;
  const began = deps.now().getTime();
  for (let races = 0; ; ) {
    const { layout } = await readLedger(session, wanted.schema);
    if (layout === layoutVersion) return;
    try {
      const outcome = await installOnce(session, wanted, layout);
      if (outcome === 'done') return;
      if (outcome === 'busy') await waitForInstaller(deps, wanted, began);
      else if ((await readLedger(session, wanted.schema)).layout === 0) throw inTheWay(wanted.schema, outcome);
    } catch (error) {
      races += 1;
      const raced = error instanceof StatementError && raceCodes.has(error.sqlstate) && races < racesAtMost;
      if (!raced) throw explainLedgerStatement(error, wanted.schema, `creating the ledger in schema ${wanted.schema}`);
      await sleep(afterRaceMs);
    }
  }
}

/** `busy`: another installer is at work. A relation: its name is taken, perhaps by an installer that has just ended. */
type Outcome = 'done' | 'busy' | { readonly relation: string };

async function installOnce(session: Session, { schema, toolVersion }: Installation, from: number): Promise<Outcome> {
  try {
    const { outcome, hasSchema } = await look(session, schema, from);
    if (outcome !== null) {
      await session.run('ROLLBACK');
      return outcome;
    }
    const statements = [
      ...(hasSchema ? [] : [schemaStatement(schema)]),
      ...layoutStatements(schema, from, toolVersion),
    ].map((statement) => statement.sql.text);
    // One message: over a slow network each would be a wait.
    await session.run([...statements, 'COMMIT'].join(';\n'));
    return 'done';
  } catch (error) {
    await session.run('ROLLBACK').catch(() => {});
    // A run of an older program is at work on a ledger that is to be changed.
    if (from > 0 && error instanceof StatementError && error.sqlstate === '55P03') return 'busy';
    throw error;
  }
}

/** Begins the transaction and asks what may be in the way, without waiting in between; each question is one about the present. */
async function look(
  session: Session,
  schema: string,
  from: number,
): Promise<{ readonly outcome: Exclude<Outcome, 'done'> | null; readonly hasSchema: boolean }> {
  const [, [lock], [there], [taken]] = await allAnswers([
    // Behind a lock on the ledger that is not ours, everybody who reads it would wait as long as we do.
    session.run(`${boundedBegin()}; SET LOCAL lock_timeout = ${lockTimeoutMs}`),
    session.rows<{ taken: boolean }>(sql`SELECT pg_catalog.pg_try_advisory_xact_lock(${installationLock}) AS taken`),
    // IF NOT EXISTS wants the right to create even where nothing is created; a DBA may have made the schema for us.
    session.rows<{ present: boolean }>(
      sql`SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = ${schema}) AS present`,
    ),
    // A type too: every relation makes a type of its name.
    session.rows<{ relation: string }>(
      sql`SELECT w.name AS relation
        FROM pg_catalog.pg_namespace AS n, pg_catalog.unnest(${layoutRelations}) AS w(name)
        WHERE n.nspname = ${schema}
          AND (EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.relnamespace = n.oid AND c.relname = w.name)
            OR EXISTS (SELECT FROM pg_catalog.pg_type AS t WHERE t.typnamespace = n.oid AND t.typname = w.name))
        LIMIT 1`,
    ),
  ]);
  const outcome = lock?.taken !== true ? 'busy' : from === 0 && taken !== undefined ? taken : null;
  return { outcome, hasSchema: there?.present === true };
}

async function waitForInstaller(deps: InstallDeps, { schema, waitMs }: Installation, began: number): Promise<void> {
  const waitedMs = deps.now().getTime() - began;
  const holder = await describeInstaller(deps.session, schema);
  if (waitedMs >= waitMs) {
    throw new PulseError('lock-not-obtained', `another session is in the way of installing the ledger: ${holder}`, {
      hint: 'wait until it is done and run the command again, or wait longer: --lock-wait 30m',
    });
  }
  deps.emit({ type: 'lease-waiting', holder, waitedMs, limitMs: waitMs });
  await deps.sleep(Math.min(pollMs, Math.max(1, waitMs - waitedMs)));
}

/** In pg_locks a key of 64 bits is two of 32: classid and objid, with 1 in objsubid (manual, pg_locks). */
async function describeInstaller(session: Session, schema: string): Promise<string> {
  const [row] = await session.rows<{ pid: number; application: string | null; role: string | null }>(
    sql`SELECT l.pid, a.application_name AS application, a.usename::pg_catalog.text AS role
        FROM pg_catalog.pg_locks AS l
        JOIN pg_catalog.pg_database AS d ON d.oid = l.database AND d.datname = pg_catalog.current_database()
        LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
        WHERE l.granted AND l.pid <> pg_catalog.pg_backend_pid()
          AND (l.locktype = 'advisory' AND l.objsubid = 1
                 AND l.classid = ${installationLock >> 32n}::pg_catalog.oid AND l.objid = ${installationLock & 0xffff_ffffn}::pg_catalog.oid
            OR l.locktype = 'relation' AND l.relation = pg_catalog.to_regclass(${ident(schema, 'ledger').text})::pg_catalog.oid)
        ORDER BY l.locktype LIMIT 1`,
  );
  if (row === undefined) return 'an installation that is just ending';
  const parts = [`pid ${row.pid}`, row.application === '' ? null : row.application, row.role && `role ${row.role}`];
  return parts.filter((part) => part !== null).join(', ');
}

function inTheWay(schema: string, { relation }: { readonly relation: string }): PulseError {
  return new PulseError(
    'not-possible',
    `schema ${schema} holds a relation named ${relation} that is not pulse-migrate's: the ledger cannot be created there`,
    { hint: 'name another schema with ledgerSchema in .pulsemigraterc, or rename the relation' },
  );
}
