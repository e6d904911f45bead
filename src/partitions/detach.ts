import { PulseError } from '../errors.ts';
import { type BlockerWatch, blockerWatch } from '../postgres/blockers.ts';
import { explainOwnStatement, StatementError } from '../postgres/errors.ts';
import type { LockPatience } from '../postgres/lock-schedule.ts';
import type { Session } from '../postgres/session.ts';
import { ident, join, raw, sql } from '../postgres/sql.ts';
import { type Instant, isoOf } from './calendar.ts';
import { oidsOf, readPartitionedTables, type TableName } from './catalog.ts';
import type { PartitionDeps } from './create-next.ts';
import { type Detachable, type DetachFrom, type InboundKey, readDetachFrom, whatIs } from './detach-catalog.ts';
import { chosenOnes, type Way, wayOf } from './detach-choice.ts';
import { wantsLock, withLockTries } from './lock-tries.ts';
import { type PlannedStatement, statementLimitMs } from './new-partition.ts';
import { isTyped } from './shown-name.ts';

export interface DetachInput {
  /** As typed, quoted as in SQL. */
  readonly table: string;
  /** As typed; null with `before`. */
  readonly partition: string | null;
  /** Every partition that ends there or earlier. */
  readonly before: Instant | null;
  readonly now: Instant;
  /** Detach a partition too that rows of the present or the future belong to. */
  readonly evenCurrent: boolean;
  readonly dryRun: boolean;
  readonly patience: LockPatience;
}

/** One partition that is a table of its own now; bounds in ISO 8601, UTC, null where open or of another kind. */
export interface Detached extends TableName {
  readonly from: string | null;
  readonly to: string | null;
  readonly how: Way;
  readonly tries: number;
  readonly bytes: number;
  /** The server's estimate; null where it was never analyzed. */
  readonly rows: number | null;
}

export interface DetachResult extends TableName {
  readonly detached: readonly Detached[];
  /** Named, and no partition any more. */
  readonly already: readonly string[];
  /** Why not CONCURRENTLY; null where it was, or where there was nothing to do. */
  readonly lockedBecause: string | null;
  /** What would run, with `dryRun`. */
  readonly statements: readonly PlannedStatement[];
}

/**
 * Takes partitions out of a table and drops none of them: CONCURRENTLY where the server allows it, else under a lock
 * that is tried for shortly. A detach that was cut off is finished first. Run again it finds nothing to do.
 * @throws {PulseError} `not-possible` where rows of other tables refer to the partition, `confirmation-needed` for a
 * partition of the present, `lock-not-obtained` with the blockers' names.
 */
export async function detach(deps: PartitionDeps, input: DetachInput): Promise<DetachResult> {
  const blockers = blockerWatch(deps);
  try {
    return await detachAll(deps, blockers, input);
  } catch (error) {
    throw explainOwnStatement(error, 'detaching');
  } finally {
    blockers.close();
  }
}

async function detachAll(deps: PartitionDeps, blockers: BlockerWatch, input: DetachInput): Promise<DetachResult> {
  const { session } = deps;
  const oid = (await oidsOf(session, [input.table]))?.[0] ?? 0;
  const table = await readDetachFrom(session, oid);
  if (table === null) throw new PulseError('not-possible', `${input.table} was dropped meanwhile`);
  const { already, wanted } = await chosen(session, table, oid, input);
  const unfinished = table.partitions.filter(({ pending }) => pending);
  const all = [...unfinished, ...wanted.filter(({ pending }) => !pending)];
  const { way, because } = wayOf(table, session.pooled);
  const detached: Detached[] = [];
  const statements: PlannedStatement[] = [];
  // Of one that is half detached this was found out then.
  for (const partition of all.filter(({ pending }) => !pending)) await assertUnreferenced(session, table, partition);
  for (const partition of all) {
    const how = partition.pending ? 'finalized' : way;
    const planned = statementsToDetach(table, partition, how);
    if (input.dryRun) {
      statements.push(...planned);
      continue;
    }
    const tries = await detachOne(deps, blockers, { table, tableOid: oid, partition, how, planned }, input.patience);
    const { schema, name, bytes, rows } = partition;
    detached.push({ schema, name, ...ends(partition), how, tries, bytes, rows });
  }
  const lockedBecause = wanted.some(({ pending }) => !pending) ? because : null;
  return { schema: table.schema, name: table.name, detached, already, lockedBecause, statements };
}

async function chosen(
  session: Session,
  table: DetachFrom,
  oid: number,
  input: DetachInput,
): Promise<{ readonly already: readonly string[]; readonly wanted: readonly Detachable[] }> {
  if (input.partition === null) {
    const [read] = await readPartitionedTables(session, [oid]);
    if (read !== undefined && 'why' in read) {
      throw new PulseError('not-possible', `${table.name} has no partitions before a time: ${read.why}`, {
        hint: `name the partition: pulse-migrate partition detach ${input.table} PARTITION`,
      });
    }
    return { already: [], wanted: chosenOnes(table.partitions, input) };
  }
  const named = await whatIs(session, input.partition).catch((error: unknown) => {
    // invalid_name, syntax_error: no name at all.
    if (error instanceof StatementError && ['42602', '42601'].includes(error.sqlstate)) return null;
    throw error;
  });
  const typed = input.partition;
  const partition =
    table.partitions.find((known) => known.oid === named?.oid) ??
    // Its schema need not be in the search_path.
    table.partitions.find((known) => isTyped(known, typed));
  if (partition !== undefined) return { already: [], wanted: chosenOnes([partition], input) };
  if (named === null || named.parent !== null) {
    const what = named === null ? 'does not exist' : `is a partition of ${named.parent}`;
    throw new PulseError('not-possible', `${input.partition} is no partition of ${table.name}: it ${what}`, {
      hint: `pulse-migrate partition list ${input.table}`,
    });
  }
  return { already: [input.partition], wanted: [] };
}

/** How long the server may look for rows that refer to a partition, which writers of their table would wait for. */
const longestLookMs = 1000;

/** DETACH itself looks for such rows, but under locks: so what would fail, or take long, is refused before. */
async function assertUnreferenced(session: Session, table: DetachFrom, partition: Detachable): Promise<void> {
  for (const key of table.inbound) {
    const other = `${key.schema}.${key.name}`;
    const found = await refers(session, key, partition);
    if (found === 'no') continue;
    const why =
      found === 'yes'
        ? `rows of ${other} refer to its rows by foreign key ${key.constraint}`
        : `to find out whether rows of ${other} refer to it (foreign key ${key.constraint}) takes more than ${longestLookMs} ms, for which its writers would wait`;
    throw new PulseError('not-possible', `${partition.name} cannot be detached: ${why}`, {
      hint:
        found === 'yes'
          ? `delete these rows of ${other} first, or drop the foreign key, then run the command again`
          : `CREATE INDEX CONCURRENTLY ON ${ident(key.schema, key.name).text} (${join(key.columns.map((column) => ident(column))).text}); then run the command again`,
    });
  }
}

async function refers(session: Session, key: InboundKey, partition: Detachable): Promise<'yes' | 'no' | 'slow'> {
  const pairs = key.columns.map(
    (column, index) =>
      sql`${ident('p', key.referred[index] ?? '')} ${raw(key.operators[index] ?? '=')} ${ident('r', column)}`,
  );
  try {
    await session.run(
      `BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; SET LOCAL statement_timeout = ${longestLookMs}; SET LOCAL row_security = off; SET LOCAL search_path = ''`,
    );
    const [row] = await session.rows<{
      found: boolean;
    }>(sql`SELECT EXISTS (SELECT FROM ${ident(key.schema, key.name)} AS r
JOIN ONLY ${ident(partition.schema, partition.name)} AS p ON ${join(pairs, ' AND ')}) AS found`);
    return row?.found === true ? 'yes' : 'no';
  } catch (error) {
    if (error instanceof StatementError && error.sqlstate === '57014') return 'slow';
    throw error;
  } finally {
    await session.run('ROLLBACK').catch(() => {});
  }
}

interface One {
  readonly table: DetachFrom;
  readonly tableOid: number;
  readonly partition: Detachable;
  readonly how: Way;
  readonly planned: readonly PlannedStatement[];
}

/** Gives how many tries it took. */
async function detachOne(
  deps: PartitionDeps,
  blockers: BlockerWatch,
  one: One,
  patience: LockPatience,
): Promise<number> {
  const { table, partition } = one;
  const tries = {
    what: `the detach of ${partition.name}`,
    patience,
    hint: 'wait for the holder or end it, then run the command again: it goes on where this one stopped; or try longer: --lock-retries 100',
  };
  let { how, planned } = one;
  const done = await withLockTries(deps, blockers, tries, async (limitMs) => {
    try {
      if (how === 'concurrently') await concurrently(deps.session, planned, limitMs);
      else await inTransaction(deps.session, planned, limitMs);
    } catch (error) {
      const state = await stateOf(deps.session, one);
      // Somebody else has been faster.
      if (state === 'gone') return;
      if (wantsLock(error) && state === 'pending' && how !== 'finalized') {
        how = 'finalized';
        planned = statementsToDetach(table, partition, how);
      }
      throw error;
    }
  }).catch(async (error: unknown) => {
    if (!(error instanceof PulseError) || (await stateOf(deps.session, one)) !== 'pending') throw error;
    throw error.withResult(error.result, [
      ...error.now,
      `${partition.name} is half detached: its rows are not seen through ${table.name} any more`,
    ]);
  });
  return done.tries;
}

/** Alone in its message, since it cannot run in a transaction; nobody queues behind what it waits for. */
async function concurrently(session: Session, planned: readonly PlannedStatement[], limitMs: number): Promise<void> {
  await session.run(`SET statement_timeout = 0; SET lock_timeout = ${limitMs}`);
  try {
    for (const statement of planned) await session.run(statement.sql);
  } finally {
    await session.run('RESET statement_timeout; RESET lock_timeout').catch(() => {});
  }
}

async function inTransaction(session: Session, planned: readonly PlannedStatement[], limitMs: number): Promise<void> {
  try {
    await session.run(`BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL idle_in_transaction_session_timeout = ${statementLimitMs}; SET LOCAL statement_timeout = ${statementLimitMs};
SET LOCAL lock_timeout = ${limitMs}; SET LOCAL search_path = ''`);
    await session.run(planned.map((statement) => statement.sql).join(';\n'));
    await session.run('COMMIT');
  } catch (error) {
    await session.run('ROLLBACK').catch(() => {});
    throw error;
  }
}

async function stateOf(session: Session, { tableOid, partition }: One): Promise<'attached' | 'pending' | 'gone'> {
  const [row] = await session.rows<{ pending: boolean }>(sql`SELECT i.inhdetachpending AS pending
FROM pg_catalog.pg_inherits AS i
WHERE i.inhparent = ${tableOid}::pg_catalog.oid AND i.inhrelid = ${partition.oid}::pg_catalog.oid`);
  if (row === undefined) return 'gone';
  return row.pending ? 'pending' : 'attached';
}

/** What takes one partition out, with its locks in the order that everything of ours takes them. */
function statementsToDetach(table: DetachFrom, partition: Detachable, how: Way): readonly PlannedStatement[] {
  const [parent, child] = [ident(table.schema, table.name).text, ident(partition.schema, partition.name).text];
  const alter = `ALTER TABLE ${parent} DETACH PARTITION ${child}`;
  if (how === 'concurrently') {
    return [
      {
        purpose: 'the partition leaves the table, and nobody waits for it',
        sql: `${alter} CONCURRENTLY`,
        lock: `SHARE UPDATE EXCLUSIVE on ${table.name}, at its end ACCESS EXCLUSIVE on ${partition.name}`,
      },
    ];
  }
  if (how === 'finalized') {
    return [
      {
        purpose: 'a detach that was cut off is finished',
        sql: `${alter} FINALIZE`,
        lock: `SHARE UPDATE EXCLUSIVE on ${table.name}, ACCESS EXCLUSIVE on ${partition.name}`,
      },
    ];
  }
  const other = table.partitions.find(({ range }) => range === 'default');
  const lock = (name: TableName, only: string, mode: string): PlannedStatement => ({
    purpose: 'what DETACH locks, in one order',
    sql: `LOCK TABLE ${only}${ident(name.schema, name.name).text} IN ${mode} MODE`,
    lock: `${mode} on ${name.name}`,
  });
  return [
    ...table.references.map((name) => lock(name, '', 'SHARE ROW EXCLUSIVE')),
    lock(table, 'ONLY ', 'ACCESS EXCLUSIVE'),
    lock(partition, 'ONLY ', 'ACCESS EXCLUSIVE'),
    ...(other === undefined || other === partition ? [] : [lock(other, 'ONLY ', 'ACCESS EXCLUSIVE')]),
    { purpose: 'the partition leaves the table', sql: alter, lock: `ACCESS EXCLUSIVE on ${table.name}` },
  ];
}

function ends({ range }: Detachable): { readonly from: string | null; readonly to: string | null } {
  if (range === null || range === 'default') return { from: null, to: null };
  return { from: range.from === null ? null : isoOf(range.from), to: range.to === null ? null : isoOf(range.to) };
}
