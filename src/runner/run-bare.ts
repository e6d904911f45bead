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
  /** What the journal tells of earlier runs and tries; null when none has begun the statement. */
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
  const send = async (text: string, provenAt: number) => {
    await stillHeld(deps, run.lease, provenAt);
    await runTagged(session, run.lease.token, text);
  };
  const ruling = await settle(
    {
      session,
      earlier: run.earlier,
      execute: (text) => clearAway(text, (sql) => send(sql, Number.NEGATIVE_INFINITY)),
      sleep: deps.sleep,
      warn: (message, hint) => deps.emit({ type: 'warning', message: `${run.place.version}: ${message}`, hint }),
    },
    statement,
  );
  if (ruling.next === 'run') {
    const asked = deps.now().getTime();
    if (ruling.mark) await run.note('started');
    await send(run.text, ruling.mark ? asked : Number.NEGATIVE_INFINITY);
    await refuseMissingIndex(session, statement);
  }
  await run.note('finished');
  if (ruling.found === null) return;
  const { object, state } = ruling.found;
  deps.emit({ type: 'statement-settled', ...run.place, object, found: state });
}

/** A proof that is older than this says nothing any more, milliseconds: far less than a lease lives. */
const freshMs = 1000;

/**
 * The last look before a statement that the server cannot fence. A program that was stopped (SIGSTOP, a suspended
 * machine) may find the answer to its last question waiting, and another run long at work: then it asks again.
 */
async function stillHeld(
  { session, now }: RunnerDeps,
  { schema, token }: BareRun['lease'],
  provenAt: number,
): Promise<void> {
  const lease = ident(schema, 'lease');
  let asked = provenAt;
  for (let tries = 0; tries < 5; tries += 1) {
    const age = now().getTime() - asked;
    if (age >= 0 && age < freshMs) return;
    asked = now().getTime();
    const held = await session.rows(sql`${raw(ownRoleForNow)};
SELECT 1 AS held FROM ${lease} WHERE token = ${token}::pg_catalog.uuid`);
    if (held.length === 0) throw leaseLost();
  }
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
async function clearAway(text: string, send: (text: string) => Promise<void>): Promise<void> {
  try {
    await send(text);
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
