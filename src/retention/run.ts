import { PulseError } from '../errors.ts';
import { installLedger } from '../ledger/install.ts';
import type { Actor } from '../ledger/ledger.ts';
import { beginRetention, endKilledRetention, endRetention } from '../ledger/retention-record.ts';
import { advisoryLockHolder, releaseAdvisoryLock, tryAdvisoryLock } from '../postgres/advisory-lock.ts';
import { type BlockerWatch, blockerWatch } from '../postgres/blockers.ts';
import { StatementError } from '../postgres/errors.ts';
import type { LockPatience } from '../postgres/lock-schedule.ts';
import type { ArchivePlace, RetentionAction } from '../retention-rule.ts';
import { type ArchiveAndDrop, archiveOld, type DeleteOldArchives, deleteOldArchives } from './archive-old.ts';
import { isoOfUtc } from './cutoff.ts';
import { deleteBatches } from './delete-batches.ts';
import { dropPartitions } from './drop-partitions.ts';
import { type ExaminedRule, examineRules, type FitRule, type RetentionInput } from './examine.ts';
import { byPartition } from './judge-rule.ts';
import { oldPartitionsOf, partitionObstacle, refusal } from './plan.ts';
import { shownName } from './target.ts';
import type { RetentionDeps, RuleRun } from './transaction.ts';
import { workPeriods } from './work-periods.ts';

export interface RunInput extends RetentionInput {
  /** How long to wait for another run, milliseconds. */
  readonly waitMs: number;
  readonly patience: LockPatience;
  readonly archive: ArchiveAndDrop;
  readonly deleteArchives: DeleteOldArchives;
}

export interface RunDeps extends RetentionDeps {
  readonly newId: () => string;
  readonly actor: Actor;
  readonly toolVersion: string;
}

/** What a rule did, as its transactions counted it. */
export interface RanRule {
  readonly table: string;
  readonly action: RetentionAction;
  /** ISO 8601, UTC. */
  readonly cutoff: string;
  readonly removed: number;
  readonly made: number;
  readonly transactions: number;
  /** That are gone, by schema and name. */
  readonly partitions: readonly string[];
  /** Where they were archived to, of `archive`. */
  readonly archive: ArchivePlace | null;
  readonly durationMs: number;
}

export interface RunResult {
  /** The rows of the record that belong to this run have it. */
  readonly run: string;
  readonly rules: readonly RanRule[];
}

/** One run at a time in a database; the number is arbitrary. */
const runLock = 5_871_103_244_913n;
const pollMs = 200;

/**
 * Carries the rules out. Before the first row goes, all of them are held against their tables; each transaction does
 * its part and records it, so a run that is killed or fails is resumed by running again.
 * @throws {PulseError} `not-possible` for rules that cannot be carried out, `lock-not-obtained`, `pooler-refused`, and
 * with `result` what was done before a failure.
 */
export async function runRetention(deps: RunDeps, input: RunInput): Promise<RunResult> {
  const { session } = deps;
  if (session.pooled) {
    throw new PulseError('pooler-refused', 'retention needs a session of its own, and a pooler is in between', {
      hint: 'connect to the server itself: --database-url with its own host and port',
    });
  }
  await takeRunLock(deps, input.waitMs);
  const blockers = blockerWatch(deps);
  try {
    const fit = await allFit(deps, await examineRules(session, input, false));
    const wanted = { schema: input.schema, toolVersion: deps.toolVersion, waitMs: input.waitMs };
    await installLedger(deps, wanted);
    await endKilledRetention(session, input.schema);
    return await carryOut(deps, input, fit, blockers);
  } finally {
    blockers.close();
    // Where the session is gone, so is the lock.
    await releaseAdvisoryLock(session, runLock).catch(() => {});
  }
}

/**
 * A lock of the session that does the work: when it ends, so does the work, and no token has to tell whose it is. It is
 * tried between statements and never waited for inside of one, where a CREATE INDEX CONCURRENTLY would wait for us.
 */
async function takeRunLock(deps: RunDeps, limitMs: number): Promise<void> {
  const began = deps.now().getTime();
  while (!(await tryAdvisoryLock(deps.session, runLock))) {
    const waitedMs = deps.now().getTime() - began;
    const holder = await advisoryLockHolder(deps.session, runLock);
    if (waitedMs >= limitMs) {
      throw new PulseError('lock-not-obtained', `another retention run is at work: ${holder}`, {
        hint: 'wait until it is done and run the command again, or wait longer: --lock-wait 30m',
      });
    }
    deps.emit({ type: 'lease-waiting', holder, waitedMs, limitMs });
    await deps.sleep(Math.min(pollMs, Math.max(1, limitMs - waitedMs)));
  }
}

/** All rules, or none: one that was forgotten in silence would be found when the disk is full. */
async function allFit(deps: RunDeps, examined: readonly ExaminedRule[]): Promise<readonly FitRule[]> {
  const problems: { readonly table: string; readonly message: string; readonly hint: string }[] = [];
  const fit: FitRule[] = [];
  for (const one of examined) {
    const obstacles = [...one.obstacles];
    if (one.fit !== null) {
      const refused = await refusal(deps.session, one.fit);
      if (refused !== null) obstacles.push(refused);
      if (byPartition(one.rule.action)) {
        const obstacle = partitionObstacle(one.fit, await oldPartitionsOf(deps.session, one.fit));
        if (obstacle !== null) obstacles.push(obstacle);
      }
      fit.push(one.fit);
    }
    const { table, action } = one.rule;
    problems.push(
      ...obstacles.map(({ why, cure }) => ({
        table,
        message: `${table}: ${action} cannot be carried out: ${why}`,
        hint: cure,
      })),
    );
  }
  const [first] = problems;
  if (first === undefined) return fit;
  const bad = new Set(problems.map(({ table }) => table));
  const others = [...new Set(examined.map(({ rule }) => rule.table))].filter((table) => !bad.has(table));
  const rest =
    others.length === 0 ? '' : `; the others alone: pulse-migrate retention run ${others.join(' ')} --i-know`;
  throw new PulseError(
    'not-possible',
    problems.length === 1
      ? first.message
      : `the rules cannot be carried out, for ${problems.length} reasons; nothing was deleted`,
    { hint: `${problems.length === 1 ? first.hint : 'correct each of them, or leave its table out'}${rest}`, problems },
  );
}

type Work = (deps: RunDeps, run: RuleRun, fit: FitRule, input: RunInput) => Promise<void>;

const work: Readonly<Record<RetentionAction, Work>> = {
  delete: deleteBatches,
  downsample: workPeriods,
  'keep-one-a-day': workPeriods,
  'drop-partition': dropPartitions,
  archive: (_deps, run, fit, { archive }) => archiveOld(archive, run, fit),
  'delete-archives': (_deps, run, fit, { deleteArchives }) => deleteOldArchives(deleteArchives, run, fit),
};

async function carryOut(
  deps: RunDeps,
  input: RunInput,
  rules: readonly FitRule[],
  blockers: BlockerWatch,
): Promise<RunResult> {
  const { session } = deps;
  const run = deps.newId();
  const done: RanRule[] = [];
  for (const fit of rules) {
    const { rule, target } = fit;
    const { action } = rule;
    const table = shownName(target);
    const began = deps.now().getTime();
    const { schema, patience } = input;
    const { actor, toolVersion } = deps;
    const id = await beginRetention(session, {
      schema,
      run,
      table,
      action,
      rule,
      cutoff: fit.cutoff,
      actor,
      toolVersion,
    });
    const end = async (state: 'done' | 'failed' | 'interrupted', failure: string | null): Promise<RanRule> => ({
      ...{ table, action, cutoff: isoOfUtc(fit.cutoff), archive: rule.archive },
      ...(await endRetention(session, schema, id, state, failure)),
      durationMs: deps.now().getTime() - began,
    });
    try {
      await work[action](deps, { schema, id, doing: `${action} on ${table}`, patience, blockers }, fit, input);
      done.push(await end('done', null));
    } catch (error) {
      const stopped = await end(deps.signal.aborted ? 'interrupted' : 'failed', messageOf(error)).catch(() => null);
      throw withResult(error, { run, rules: stopped === null ? done : [...done, stopped] });
    }
  }
  return { run, rules: done };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What is gone stays gone: the failure says how much that is. */
function withResult(error: unknown, result: RunResult): unknown {
  const told =
    error instanceof StatementError ? new PulseError('not-possible', error.message, { cause: error }) : error;
  if (!(told instanceof PulseError)) return told;
  const now = result.rules
    .filter(({ transactions }) => transactions > 0)
    .map(
      ({ table, action, removed, transactions }) =>
        `${action} on ${table}: ${removed} rows are gone, in ${transactions} transactions`,
    );
  const resumable =
    told.code === 'connection-lost'
      ? new PulseError(told.code, told.message, {
          hint: 'run the command again: what is gone is recorded, and the rest follows',
          cause: told,
        })
      : told;
  return resumable.withResult(result, [...told.now, ...now]);
}
