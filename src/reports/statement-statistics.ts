import { StatementError } from '../postgres/errors.ts';
import type { Session } from '../postgres/session.ts';
import { ident, raw, sql } from '../postgres/sql.ts';
import { statisticsRight } from '../postgres/statistics-right.ts';

/** One kind of statement, its values left out. Times in milliseconds. */
export interface SlowStatement {
  readonly query: string;
  readonly calls: number;
  readonly totalMs: number;
  readonly meanMs: number;
  readonly maxMs: number;
  readonly rows: number;
  /** Of all that is listed and not listed, from 0 to 1. */
  readonly share: number;
}

export interface SlowReport {
  readonly statements: readonly SlowStatement[];
  /** Why nothing, or not everything, could be looked at. */
  readonly notLooked: string | null;
  /** What to type about it. */
  readonly hint: string | null;
}

/** By which the statements are ordered; columns that every version since 15 has. */
export const slowOrders = ['total', 'mean', 'max', 'calls'] as const;
export type SlowOrder = (typeof slowOrders)[number];

const columns: Readonly<Record<SlowOrder, string>> = {
  total: 'sum(s.total_exec_time)',
  mean: 'max(s.mean_exec_time)',
  max: 'max(s.max_exec_time)',
  calls: 'sum(s.calls)',
};

/** Where the extension is; null where it is not installed in this database. */
export async function statisticsSchema(session: Session): Promise<string | null> {
  const [row] = await session.rows<{ schema: string }>(sql`SELECT n.nspname::pg_catalog.text AS schema
FROM pg_catalog.pg_extension AS e JOIN pg_catalog.pg_namespace AS n ON n.oid = e.extnamespace
WHERE e.extname::pg_catalog.text = 'pg_stat_statements'`);
  return row?.schema ?? null;
}

/** What took the most time in this database since pg_stat_statements was reset. Reads only. */
export async function readSlow(session: Session, order: SlowOrder, top: number): Promise<SlowReport> {
  const schema = await statisticsSchema(session);
  if (schema === null) {
    return {
      statements: [],
      notLooked: 'the extension pg_stat_statements is not installed in this database',
      hint: 'pulse-migrate monitor setup installs it where the server has loaded it, and else says what is missing',
    };
  }
  try {
    const statements =
      await session.rows<SlowStatement>(sql`SELECT s.query, pg_catalog.sum(s.calls)::pg_catalog.float8 AS calls,
  pg_catalog.sum(s.total_exec_time) AS "totalMs", pg_catalog.sum(s.total_exec_time) / GREATEST(pg_catalog.sum(s.calls)::pg_catalog.float8, 1.0::pg_catalog.float8) AS "meanMs",
  pg_catalog.max(s.max_exec_time) AS "maxMs", pg_catalog.sum(s.rows)::pg_catalog.float8 AS rows,
  pg_catalog.sum(s.total_exec_time) / NULLIF(pg_catalog.sum(pg_catalog.sum(s.total_exec_time)) OVER (), 0.0::pg_catalog.float8) AS share
FROM ${ident(schema, 'pg_stat_statements')} AS s
WHERE s.dbid = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname::pg_catalog.text = pg_catalog.current_database()::pg_catalog.text)
GROUP BY s.query ORDER BY ${raw(`pg_catalog.${columns[order]}`)} DESC LIMIT ${top}`);
    const hidden = statements.some(({ query }) => query === '<insufficient privilege>');
    return {
      statements,
      notLooked: hidden ? 'of other roles this one may not see the statements' : null,
      hint: hidden ? `to see all of them: ${(await statisticsRight(session)).grant}` : null,
    };
  } catch (error) {
    if (!(error instanceof StatementError)) throw error;
    return {
      statements: [],
      notLooked: `the server refuses it: ${error.message}`,
      hint: 'it has to be loaded when the server starts: shared_preload_libraries = pg_stat_statements',
    };
  }
}
