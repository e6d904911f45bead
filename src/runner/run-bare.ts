import { PulseError } from '../errors.ts';
import { codeOfSqlstate, StatementError, serverReport } from '../postgres/errors.ts';
import type { Session } from '../postgres/session.ts';
import { ident, raw, sql } from '../postgres/sql.ts';
import { settle } from './in-doubt.ts';
import { refuseMissingIndex } from './in-doubt-index.ts';
import type { EarlierRun } from './in-doubt-ruling.ts';
import { readBareStatement } from './in-doubt-statement.ts';
import { leaseLost } from './lease-lost.ts';
import { ownRoleForNow } from './session-state.ts';
import type { RunnerDeps } from './step.ts';

/** A statement that runs outside any transaction. */
export interface BareRun {
  readonly text: string;
  readonly place: { readonly version: string; readonly statement: number; readonly statements: number };
  /** What the journal tells of earlier runs; null when none has begun the statement. */
  readonly earlier: EarlierRun | null;
  readonly lease: { readonly schema: string; readonly token: string };
  /** Adds a mark to the journal. */
  readonly note: (state: 'started' | 'finished') => Promise<void>;
}

/**
 * Runs a statement outside a transaction, once only: what an earlier run made of it is looked up in the catalog first.
 * @throws {StatementError} when the server refuses it, {PulseError} when it may not run or did not do what it says.
 */
export async function runBare(deps: RunnerDeps, run: BareRun): Promise<void> {
  const { session } = deps;
  const statement = readBareStatement(run.text);
  const ruling = await settle(
    {
      session,
      earlier: run.earlier,
      execute: (text) => clearAway(session, run.lease, text),
      sleep: deps.sleep,
      warn: (message, hint) => deps.emit({ type: 'warning', message: `${run.place.version}: ${message}`, hint }),
    },
    statement,
  );
  if (ruling.next === 'run') {
    if (ruling.mark) await run.note('started');
    await runTagged(session, run.lease.token, run.text);
    await refuseMissingIndex(session, statement);
  }
  await run.note('finished');
  if (ruling.found === null) return;
  const { object, state } = ruling.found;
  deps.emit({ type: 'statement-settled', ...run.place, object, found: state });
}

/** By the tag another run sees in pg_stat_activity that a statement of ours is still executing, also through a pooler. */
async function runTagged(session: Session, token: string, text: string): Promise<void> {
  const tag = `/* pulse-migrate ${token} */ `;
  try {
    await session.run(tag + text);
  } catch (error) {
    throw error instanceof StatementError ? error.movedBy(-tag.length) : error;
  }
}

/** A statement of ours, under the same rule as the file's: only while the lease is held. */
async function clearAway(session: Session, lease: BareRun['lease'], text: string): Promise<void> {
  const held = await session.rows(sql`${raw(ownRoleForNow)};
SELECT 1 AS held FROM ${ident(lease.schema, 'lease')} WHERE token = ${lease.token}::pg_catalog.uuid`);
  if (held.length === 0) throw leaseLost();
  try {
    await runTagged(session, lease.token, text);
  } catch (error) {
    if (!(error instanceof StatementError)) throw error;
    const code = codeOfSqlstate(error.sqlstate) ?? 'migration-partial';
    throw new PulseError(code, `clearing away what an earlier run left (${text}): ${error.message}`, {
      hint: `run it by hand, then run the command again: ${text};`,
      server: serverReport(error),
      cause: error,
    });
  }
}
