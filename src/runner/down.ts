import { PulseError } from '../errors.ts';
import type { LedgerState } from '../ledger/ledger.ts';
import { readRecordedSql } from '../ledger/read.ts';
import type { Folder } from '../migrations/migration.ts';
import { parseRecordedFile } from '../migrations/parse-file.ts';
import type { LockPatience } from '../postgres/lock-schedule.ts';
import { compare, type Standing } from './compare.ts';
import { type ConfirmedStep, withoutLost } from './lost-steps.ts';
import { nameOf, planDown, type Reach } from './plan.ts';
import { planSettled } from './read-settled.ts';
import { type HeldRun, runSteps, toldBy, withLease } from './run.ts';
import type { Done, NamedStep, RunnerDeps, Step } from './step.ts';

export interface DownInput {
  /** Null when the folder is not there: then everything comes from the ledger. */
  readonly folder: Folder | null;
  readonly schema: string;
  readonly reach: Reach;
  readonly lockWaitMs: number;
  readonly patience: LockPatience;
  /** Asked with the steps before anything is written: throws to refuse; what it returns is kept in the ledger rows. */
  readonly confirm: (steps: readonly Step[], ledger: LedgerState) => Promise<Readonly<Record<string, unknown>>>;
}

export interface DownResult {
  readonly reverted: readonly Done[];
  /** How many migrations are still applied. */
  readonly applied: number;
  /** Only after a connection was lost for good: whether it is undone cannot be said. */
  readonly unknown?: readonly NamedStep[];
  /** Only where a failover has lost what this run had done. */
  readonly lost?: readonly ConfirmedStep[];
}

/**
 * Undoes the latest migrations, from their files or from the SQL the ledger kept.
 * @throws {PulseError} `irreversible`, `not-possible` when no down SQL is known, and whatever `confirm` refuses with.
 */
export async function down(deps: RunnerDeps, input: DownInput): Promise<DownResult> {
  const plan = (ledger: LedgerState) => downSteps(deps, input, ledger);
  const { before, planned: foreseen } = await planSettled(deps, input, plan);
  if (foreseen.length === 0) return { reverted: [], applied: before.applied.length };
  const details = await input.confirm(foreseen, before);
  return withLease(
    deps,
    { schema: input.schema, waitMs: input.lockWaitMs },
    (held) => downUnderLease(deps, held, input, { foreseen, details }),
    (result, lost) => {
      const reverted = withoutLost(result.reverted, 'down', lost);
      return { reverted, applied: result.applied + result.reverted.length - reverted.length, lost };
    },
  );
}

/** What was confirmed, and what the ledger is to keep of the confirmation. */
export interface Agreed {
  readonly foreseen: readonly Step[];
  readonly details: Readonly<Record<string, unknown>>;
}

/** The writing half of `down`: what was confirmed is what runs, or nothing does. */
export async function downUnderLease(
  deps: RunnerDeps,
  held: HeldRun,
  input: Pick<DownInput, 'folder' | 'schema' | 'reach' | 'patience'>,
  { foreseen, details }: Agreed,
): Promise<DownResult> {
  const { ledger } = held;
  // What there is to warn of was told with the steps foreseen.
  const steps = await downSteps({ session: held.lease.session(), emit: () => {} }, input, ledger);
  refuseOtherSteps(foreseen, steps);
  const withDetails = steps.map((step) => ({ ...step, details: { ...step.details, ...details } }));
  try {
    const reverted = await runSteps(deps, held, input.patience, withDetails);
    return { reverted, applied: ledger.applied.length - reverted.length };
  } catch (error) {
    if (!(error instanceof PulseError)) throw error;
    const { done: reverted, unknown, lost, ledger: now } = toldBy(error);
    const applied = now?.applied.length ?? ledger.applied.length - reverted.length - unknown.length;
    const run = reverted.length === 0 ? 'this run reverted nothing' : `this run reverted ${reverted.length}`;
    const told = { ...(unknown.length > 0 && { unknown }), ...(lost.length > 0 && { lost }) };
    const { steps: asked } = input.reach;
    const left = asked === undefined || reverted.length === 0 ? null : asked - reverted.length;
    const going = left === null ? error : error.goingOnWith(`pulse-migrate down --i-know --steps ${left}`);
    throw going.withResult({ reverted, applied, ...told }, [...error.now, `applied now: ${applied} (${run})`]);
  }
}

/** The steps a `down` of this reach would run now; all of them are known to be possible before the first runs. */
export async function downSteps(
  deps: Pick<RunnerDeps, 'session' | 'emit'>,
  input: Pick<DownInput, 'folder' | 'schema' | 'reach'>,
  ledger: LedgerState,
): Promise<Step[]> {
  const standings = planDown(compare(input.folder, ledger), input.reach);
  const steps: Step[] = [];
  for (const standing of standings) steps.push(await downStep(deps, input.schema, standing));
  return steps;
}

/** What was confirmed is what runs: another run may have changed what is applied while the question was open. */
function refuseOtherSteps(foreseen: readonly Step[], steps: readonly Step[]): void {
  const same =
    foreseen.length === steps.length && foreseen.every((step, index) => step.number === steps[index]?.number);
  if (same) return;
  throw new PulseError('not-possible', 'another run changed what is applied in the meantime; nothing was undone', {
    hint: 'pulse-migrate status',
  });
}

async function downStep(deps: Pick<RunnerDeps, 'session' | 'emit'>, schema: string, standing: Standing): Promise<Step> {
  const file = await downFile(deps, schema, standing);
  if (file.directives.irreversible !== null) {
    throw new PulseError('irreversible', `${nameOf(standing)} cannot be undone: ${file.directives.irreversible}`, {
      location: { file: file.path },
    });
  }
  return {
    version: standing.version,
    number: standing.number,
    name: standing.name,
    direction: 'down',
    file,
    upChecksum: standing.applied?.upChecksum ?? null,
    downChecksum: file.checksum,
    upSql: null,
    downSql: null,
    details: {},
  };
}

/**
 * The file's own down when the pair is the one that was applied (its down may have been corrected since); the recorded
 * one when the up was changed or is missing, because then the file describes another migration.
 */
async function downFile(deps: Pick<RunnerDeps, 'session' | 'emit'>, schema: string, standing: Standing) {
  const ownDown = standing.migration?.down ?? null;
  if (standing.state === 'applied' && ownDown !== null) {
    const recorded = standing.applied?.downChecksum ?? null;
    if (recorded !== null && recorded !== ownDown.checksum) {
      deps.emit({
        type: 'warning',
        message: `${ownDown.path} was changed since the migration was applied; the file is used, not the recorded SQL`,
      });
    }
    return ownDown;
  }
  const { down: text, downChecksum } =
    standing.applied === null
      ? { down: null, downChecksum: null }
      : await readRecordedSql(deps.session, schema, standing.applied.id);
  // Too large to be kept, and there as it was recorded.
  if (text === null && ownDown !== null && ownDown.checksum === downChecksum) return ownDown;
  if (text === null && downChecksum !== null) {
    throw new PulseError(
      'not-possible',
      `the down SQL of ${nameOf(standing)} was not kept when it was applied, as it is larger than 1 MB`,
      { hint: 'put its down file back as it was then, from your version control, and run the command again' },
    );
  }
  if (text === null) {
    throw new PulseError(
      'not-possible',
      `no down SQL is known for ${standing.version}_${standing.name}: it has no down file and the ledger kept none`,
      {
        hint: `write the down file for version ${standing.version} and run the command again`,
      },
    );
  }
  if (standing.state === 'changed') {
    deps.emit({
      type: 'warning',
      message: `${nameOf(standing)} was changed after it was applied; the recorded down SQL is used`,
    });
  }
  return parseRecordedFile(`ledger:${standing.version}_${standing.name}.down.sql`, text);
}
