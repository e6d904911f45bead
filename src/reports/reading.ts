import { PulseError } from '../errors.ts';
import { StatementError, serverReport } from '../postgres/errors.ts';
import { boundedBegin } from '../postgres/idle-limit.ts';
import type { Session } from '../postgres/session.ts';
import { raw, type Sql, sql } from '../postgres/sql.ts';

/** The functions for sizes take an ACCESS SHARE lock: behind a DDL statement a report waits so long, and no longer. */
export const longestWait = "SET LOCAL lock_timeout = '5s'";

/** So many rows are in memory as the server sent them. */
const pageRows = 1000;

/** The rows of a query part by part, by a cursor; for use inside `reading`. Throws as `Session.rows` does. */
export async function* inPages<Row extends object>(session: Session, query: Sql): AsyncGenerator<Row[], void> {
  await session.rows(sql`DECLARE report_rows NO SCROLL CURSOR FOR ${query}`);
  for (let page: Row[] | null = null; page === null || page.length === pageRows; ) {
    page = await session.rows<Row>(sql`FETCH ${raw(String(pageRows))} FROM report_rows`);
    yield page;
  }
  await session.run('CLOSE report_rows');
}

/**
 * The work of a report in a READ ONLY transaction of its own.
 * @throws {PulseError} `lock-not-obtained` where somebody has a table locked.
 */
export async function reading<Result>(session: Session, work: () => Promise<Result>): Promise<Result> {
  try {
    // To compile a query over the catalog takes longer than to run it (measured: 10,000 tables, 1.4 of 1.8 s).
    await session.run(`${boundedBegin('BEGIN READ ONLY')}; ${longestWait}; SET LOCAL jit = off`);
    return await work();
  } catch (error) {
    if (!(error instanceof StatementError) || error.sqlstate !== '55P03') throw error;
    throw new PulseError('lock-not-obtained', 'a table could not be looked at: somebody holds it locked', {
      hint: 'see who: pulse-migrate report locks',
      server: serverReport(error),
      cause: error,
    });
  } finally {
    await session.run('ROLLBACK').catch(() => {});
  }
}
