import type { Severity } from '../check-severity.ts';
import { closestName } from '../closest-name.ts';
import { PulseError } from '../errors.ts';
import type { Emit } from '../events.ts';
import { heard } from '../postgres/answers.ts';
import { codeOfSqlstate, explainOwnStatement, StatementError } from '../postgres/errors.ts';
import type { Check, CheckContext, Finding } from './check.ts';
import { backup } from './checks/backup.ts';
import { clientTools } from './checks/client-tools.ts';
import { clock } from './checks/clock.ts';
import { connection } from './checks/connection.ts';
import { diskSpace } from './checks/disk-space.ts';
import { extensions } from './checks/extensions.ts';
import { invalidIndexes } from './checks/invalid-indexes.ts';
import { largeTables } from './checks/large-tables.ts';
import { ledgerAndFiles } from './checks/ledger-and-files.ts';
import { objectRights } from './checks/object-rights.ts';
import { oldTransactions } from './checks/old-transactions.ts';
import { partitionConversion } from './checks/partition-conversion.ts';
import { partitionDefault } from './checks/partition-default.ts';
import { partitionDetach } from './checks/partition-detach.ts';
import { partitionHorizon } from './checks/partition-horizon.ts';
import { partitionIndexes } from './checks/partition-indexes.ts';
import { partitionStatistics } from './checks/partition-statistics.ts';
import { pendingFiles } from './checks/pending-files.ts';
import { pgcrypto } from './checks/pgcrypto.ts';
import { preparedTransactions } from './checks/prepared-transactions.ts';
import { prisma } from './checks/prisma.ts';
import { readOnly } from './checks/read-only.ts';
import { replicationLag } from './checks/replication-lag.ts';
import { replicationSlots } from './checks/replication-slots.ts';
import { rights } from './checks/rights.ts';
import { serverVersion } from './checks/server-version.ts';
import { slowLog } from './checks/slow-log.ts';
import { tableLocks } from './checks/table-locks.ts';
import { transactionIds } from './checks/transaction-ids.ts';
import { unvalidatedConstraints } from './checks/unvalidated-constraints.ts';
import { walArchiving } from './checks/wal-archiving.ts';

/** Every check, in the order they run and are shown. */
export const checklist: readonly Check[] = [
  connection,
  serverVersion,
  readOnly,
  rights,
  objectRights,
  pgcrypto,
  extensions,
  ledgerAndFiles,
  diskSpace,
  backup,
  clientTools,
  prisma,
  tableLocks,
  largeTables,
  pendingFiles,
  oldTransactions,
  preparedTransactions,
  replicationSlots,
  replicationLag,
  walArchiving,
  transactionIds,
  invalidIndexes,
  unvalidatedConstraints,
  slowLog,
  clock,
  partitionHorizon,
  partitionDefault,
  partitionDetach,
  partitionConversion,
  partitionIndexes,
  partitionStatistics,
];

/** One line of the answer. */
export interface CheckResult extends Finding {
  readonly id: string;
  /** Named by the operator as a finding to go on with. */
  readonly accepted: boolean;
}

export interface ChecklistOptions {
  /** `up` runs what a run needs to know; `all` is the whole list. */
  readonly only: 'up' | 'all';
  /** Ids of checks whose finding is accepted; they still run, so that it is seen what was accepted. */
  readonly skip: readonly string[];
  /** By id; what is `unknown` stays so. */
  readonly severity?: ReadonlyMap<string, Severity>;
  readonly emit?: Emit;
}

/**
 * Asks every question in order. What hinders a check from answering makes its outcome `unknown`, with the reason.
 * @throws {PulseError} `usage` for an unknown id, `connection-lost`, `interrupted`; a bug is thrown as it is.
 */
export async function runChecklist(
  context: CheckContext,
  options: ChecklistOptions,
  checks: readonly Check[] = checklist,
): Promise<CheckResult[]> {
  assertKnownChecks(options.skip, checks);
  const results: CheckResult[] = [];
  const asked = checks.filter((check) => options.only === 'all' || check.beforeUp);
  // All at once: over a slow network each would be a wait. What one of them throws is told in its turn.
  const findings = asked.map((check) => heard(find(check, context)));
  for (const [index, check] of asked.entries()) {
    const found = await findings[index];
    if (found === undefined) continue;
    const severity = options.severity?.get(check.id);
    const finding = weighed(found, severity);
    const accepted = finding.outcome !== 'ok' && (severity === 'ignore' || options.skip.includes(check.id));
    results.push({ id: check.id, ...finding, accepted });
    options.emit?.({ type: 'check-finished', id: check.id, ...finding });
  }
  return results;
}

/**
 * Refuses a misspelt id: a check that was to be skipped would fail, or worse, another would be missed for good.
 * @throws {PulseError} `usage`.
 */
export function assertKnownChecks(ids: readonly string[], checks: readonly Check[] = checklist): void {
  const known = checks.map((check) => check.id);
  const unknown = ids.find((id) => !known.includes(id));
  if (unknown === undefined) return;
  const meant = closestName(unknown, known);
  throw new PulseError('usage', `there is no check named "${unknown}"`, {
    hint: `${meant === null ? '' : `did you mean ${meant}? `}the checks are: ${known.join(', ')}`,
  });
}

/** What was found, as grave as it is here. */
function weighed(finding: Finding, severity: Severity | undefined): Finding {
  if (severity === undefined || severity === 'ignore') return finding;
  return finding.outcome === 'warning' || finding.outcome === 'failure' ? { ...finding, outcome: severity } : finding;
}

async function find(check: Check, context: CheckContext): Promise<Finding> {
  try {
    return await check.run(context);
  } catch (error) {
    const reason = reasonOf(error);
    if (reason === null) throw error;
    return reason;
  }
}

/** Why there is no answer, or null for what ends the whole list: a bug, a lost connection, a signal. */
function reasonOf(error: unknown): Finding | null {
  // query_canceled: the role or the database has a statement_timeout of its own.
  if (error instanceof StatementError && error.sqlstate === '57014') {
    return {
      outcome: 'unknown',
      message: `the server gave no answer in time: ${error.message}`,
      hint: 'run pulse-migrate doctor again when the server is less busy',
    };
  }
  // lock_not_available: sizes are asked for under ACCESS SHARE.
  if (error instanceof StatementError && error.sqlstate === '55P03') {
    return {
      outcome: 'unknown',
      message: `a table that it looks at is locked: ${error.message}`,
      hint: "see by whom: SELECT pid, relation::regclass FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted",
    };
  }
  // What no state of the server explains is a mistake in the check's own statement.
  if (error instanceof StatementError && codeOfSqlstate(error.sqlstate) === null) return null;
  const explained = explainOwnStatement(error, 'the check could not look');
  if (!(explained instanceof PulseError) || explained.code === 'connection-lost' || explained.code === 'interrupted')
    return null;
  return { outcome: 'unknown', message: explained.message, hint: explained.hint };
}
