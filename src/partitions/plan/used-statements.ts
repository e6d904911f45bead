import { StatementError } from '../../postgres/errors.ts';
import type { Session } from '../../postgres/session.ts';
import { ident, sql } from '../../postgres/sql.ts';
import { statisticsRight } from '../../postgres/statistics-right.ts';
import type { TableName } from '../catalog.ts';
import { plainSettings } from '../convert/source-facts.ts';
import { conflictClauses, isTable, readsWithout } from './statement-shape.ts';

/** A statement that clients send, as pg_stat_statements keeps it, or a function that holds one. */
export interface UsedStatement {
  /** On one line, cut where it is long. */
  readonly query: string;
  /** Null for a function, of which the server does not count what it sends. */
  readonly calls: number | null;
  readonly meanMs: number | null;
}

/** A statement with ON CONFLICT that does not do any more what it did. */
export interface BrokenConflict extends UsedStatement {
  readonly effect: 'fails' | 'weaker';
  readonly why: string;
}

export interface UsedStatements {
  /** Why pg_stat_statements was not looked at, or not at all of it; null where it was. */
  readonly notLooked: string | null;
  /** Statements that name the table. */
  readonly seen: number;
  readonly conflicts: readonly BrokenConflict[];
  /** Those that look into every partition, by the time they take together; the first of so many. */
  readonly unpruned: readonly UsedStatement[];
  readonly unprunedCount: number;
}

/** A unique key that is not what it was behind a conversion. */
export interface LostKey {
  readonly name: string;
  readonly columns: ReadonlyArray<string | null>;
}

/** So many statements are looked at, those that take the most time; and so many of a kind are shown. */
const mostLooked = 5000;
const mostShown = 10;

/** What clients send to the table, as far as the server remembers it. Reads only. */
export async function usedStatements(
  session: Session,
  table: TableName,
  column: string,
  lost: readonly LostKey[],
): Promise<UsedStatements> {
  const { queries, notLooked } = await sentStatements(session, table);
  const functions = await functionBodies(session, table);
  const unpruned = queries.filter(({ text }) => readsWithout(text, table, column));
  return {
    notLooked,
    seen: queries.length,
    conflicts: [...queries, ...functions].flatMap((query) => brokenConflicts(query, table, lost)),
    unpruned: unpruned.slice(0, mostShown).map(shown),
    unprunedCount: unpruned.length,
  };
}

interface Query extends UsedStatement {
  readonly text: string;
}

function shown({ query, calls, meanMs }: Query): UsedStatement {
  return { query, calls, meanMs };
}

/** What of a statement the lost keys break: pure but for its name. */
function brokenConflicts(query: Query, table: TableName, lost: readonly LostKey[]): readonly BrokenConflict[] {
  const clauses = conflictClauses(query.text).filter((clause) => isTable(clause.table, table));
  return clauses.flatMap(({ target }): BrokenConflict[] => {
    if (target.kind === 'any') {
      return lost.length === 0
        ? []
        : [{ ...shown(query), effect: 'weaker', why: 'a row with an old key at another time is no conflict any more' }];
    }
    if (target.kind === 'constraint') {
      return lost.some(({ name }) => name === target.name)
        ? [{ ...shown(query), effect: 'weaker', why: `${target.name} contains the time then` }]
        : [];
    }
    const key = lost.find(({ columns }) => sameColumns(columns, target.columns));
    if (key === undefined) return [];
    const why = `no unique key on (${target.columns.map((name) => name ?? 'an expression').join(', ')}) alone is there any more`;
    return [{ ...shown(query), effect: 'fails', why }];
  });
}

function sameColumns(a: ReadonlyArray<string | null>, b: ReadonlyArray<string | null>): boolean {
  return a.length === b.length && a.every((column) => b.includes(column));
}

function oneLine(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > 300 ? `${line.slice(0, 299)}…` : line;
}

interface Sent {
  readonly queries: readonly Query[];
  readonly notLooked: string | null;
}

async function sentStatements(session: Session, { name }: TableName): Promise<Sent> {
  const none = (notLooked: string): Sent => ({ queries: [], notLooked });
  const [extension] = await session.rows<{ schema: string }>(sql`SELECT n.nspname AS schema
FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
WHERE e.extname::pg_catalog.text OPERATOR(pg_catalog.=) 'pg_stat_statements'`);
  if (extension === undefined) return none('the extension pg_stat_statements is not installed in this database');
  try {
    const rows = await session.rows<{ text: string; calls: number; mean: number }>(sql`${plainSettings};
SELECT s.query AS text, pg_catalog.sum(s.calls)::pg_catalog.float8 AS calls,
  pg_catalog.sum(s.total_exec_time)::pg_catalog.float8 / GREATEST(pg_catalog.sum(s.calls), 1)::pg_catalog.float8 AS mean
FROM ${ident(extension.schema, 'pg_stat_statements')} AS s
WHERE s.dbid = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
  AND pg_catalog.strpos(pg_catalog.lower(s.query), pg_catalog.lower(${name})) > 0
GROUP BY s.query ORDER BY pg_catalog.sum(s.total_exec_time) DESC LIMIT ${mostLooked}`);
    const right = await statisticsRight(session);
    const notLooked = right.has
      ? null
      : `of other roles this one may not see the statements; to see all of them: ${right.grant}`;
    return {
      queries: rows.map(({ text, calls, mean }) => ({ text, query: oneLine(text), calls, meanMs: mean })),
      notLooked,
    };
  } catch (error) {
    if (error instanceof StatementError) return none(`the server refuses it: ${error.message}`);
    throw error;
  }
}

/** Functions whose text names the table and has an ON CONFLICT: they are found by name when they run. */
async function functionBodies(session: Session, { name }: TableName): Promise<readonly Query[]> {
  const rows = await session.rows<{ described: string; text: string }>(sql`${plainSettings};
SELECT p.oid::pg_catalog.regprocedure::pg_catalog.text AS described, p.prosrc AS text
FROM pg_catalog.pg_proc AS p JOIN pg_catalog.pg_language AS l ON l.oid = p.prolang
WHERE l.lanname IN ('plpgsql', 'sql') AND pg_catalog.strpos(pg_catalog.lower(p.prosrc), pg_catalog.lower(${name})) > 0
  AND p.prosrc ~* 'on[[:space:]]+conflict'`);
  return rows.map(({ described, text }) => ({ text, query: `function ${described}`, calls: null, meanMs: null }));
}
