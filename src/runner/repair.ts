import { PulseError } from '../errors.ts';
import { appendEntry } from '../ledger/append.ts';
import type { LedgerState } from '../ledger/ledger.ts';
import { readLedger } from '../ledger/read.ts';
import type { Folder, Migration } from '../migrations/migration.ts';
import { ident, sql } from '../postgres/sql.ts';
import { compare, type Standing } from './compare.ts';
import { targetIndex } from './plan.ts';
import { withLease } from './run.ts';
import { entryOf, type RunnerDeps } from './step.ts';
import { upStep } from './up.ts';

/** Corrections of the record; the database's own objects are never touched. */
interface Corrections {
  /** Changed files whose present text becomes the recorded one. */
  readonly accept: readonly string[];
  /** Versions that are recorded as not applied (or as not begun), without running their down. */
  readonly forget: readonly string[];
}

export interface RepairInput extends Corrections {
  readonly folder: Folder | null;
  readonly schema: string;
  readonly lockWaitMs: number;
}

export interface RepairResult {
  readonly accepted: readonly string[];
  readonly forgotten: readonly string[];
  /** What still disagrees afterwards. */
  readonly disagreements: ReadonlyArray<{ readonly version: string; readonly name: string; readonly state: string }>;
}

/**
 * Adds correcting rows to the ledger; with no correction asked for it only says what disagrees.
 * @throws {PulseError} `not-possible` when a version is not in the state the correction is for.
 */
export async function repair(deps: RunnerDeps, input: RepairInput): Promise<RepairResult> {
  const before = await readLedger(deps.session, input.schema);
  corrections(input, before);
  if (input.accept.length + input.forget.length === 0)
    return { accepted: [], forgotten: [], disagreements: disagreementsOf(input.folder, before) };
  return withLease(deps, { schema: input.schema, waitMs: input.lockWaitMs }, async ({ ledger, lease: { token } }) => {
    const { accept, forget } = corrections(input, ledger);
    await inTransaction(deps, input.schema, token, async () => {
      for (const migration of accept) {
        const entry = entryOf(deps, upStep(migration, { repair: 'accepted the text of the file' }), deps.newId());
        await deps.session.rows(appendEntry(input.schema, { ...entry, action: 'repair' }, 'now'));
      }
      for (const standing of forget) await forgetOne(deps, input.schema, standing);
    });
    return {
      accepted: accept.map(({ version }) => version),
      forgotten: forget.map(({ version }) => version),
      disagreements: disagreementsOf(input.folder, await readLedger(deps.session, input.schema)),
    };
  });
}

function corrections(input: RepairInput, ledger: LedgerState): { accept: Migration[]; forget: Standing[] } {
  const standings = compare(input.folder, ledger);
  const find = (version: string) => {
    const standing = standings[targetIndex(standings, version)];
    if (standing === undefined) throw new PulseError('target-unknown', `there is no migration ${version}`);
    return standing;
  };
  return {
    accept: input.accept.map(find).map((standing) => {
      if (standing.state === 'changed' && standing.migration !== null) return standing.migration;
      throw new PulseError(
        'not-possible',
        `${standing.version}_${standing.name} is ${standing.state}: --accept is for a file that was changed after it was applied`,
      );
    }),
    forget: input.forget.map(find).map((standing) => {
      if (standing.applied !== null || standing.unfinished !== null) return standing;
      throw new PulseError(
        'not-possible',
        `${standing.version}_${standing.name} is ${standing.state}: there is nothing of it in the record to forget`,
      );
    }),
  };
}

async function forgetOne(deps: RunnerDeps, schema: string, standing: Standing): Promise<void> {
  const common = {
    version: standing.version,
    number: standing.number,
    name: standing.name,
    action: 'repair' as const,
    checksumAlgorithm: '',
    upChecksum: null,
    downChecksum: null,
    upSql: null,
    downSql: null,
    inTransaction: true,
    actor: deps.actor,
    toolVersion: deps.toolVersion,
  };
  if (standing.unfinished !== null) {
    const details = {
      repair: 'struck an unfinished run from the record',
      finishedStatements: standing.unfinished.finished.length,
    };
    await deps.session.rows(
      appendEntry(
        schema,
        { ...common, entry: standing.unfinished.entry, outcome: 'failed', effect: 'none', details },
        'now',
      ),
    );
    return;
  }
  const details = { repair: 'recorded as not applied; its down was not run' };
  await deps.session.rows(
    appendEntry(schema, { ...common, entry: deps.newId(), outcome: 'done', effect: 'reverted', details }, 'now'),
  );
}

export interface BaselineResult {
  /** Versions that are now recorded as applied although they were not run. */
  readonly baselined: ReadonlyArray<{ readonly version: string; readonly name: string }>;
}

/**
 * Records every pending migration up to a version as applied, without running it: for a database that has the objects.
 * @throws {PulseError} `not-possible` when nothing up to that version is pending, `ledger-mismatch` on disagreement.
 */
export async function baseline(
  deps: RunnerDeps,
  input: { readonly folder: Folder; readonly schema: string; readonly lockWaitMs: number; readonly to: string },
): Promise<BaselineResult> {
  const choose = (ledger: LedgerState) => baselineTargets(compare(input.folder, ledger), input.to);
  choose(await readLedger(deps.session, input.schema));
  return withLease(deps, { schema: input.schema, waitMs: input.lockWaitMs }, async ({ ledger, lease: { token } }) => {
    const migrations = choose(ledger);
    await inTransaction(deps, input.schema, token, async () => {
      for (const migration of migrations) {
        const entry = entryOf(deps, upStep(migration, {}), deps.newId());
        await deps.session.rows(appendEntry(input.schema, { ...entry, action: 'baseline' }, 'now'));
      }
    });
    return { baselined: migrations.map(({ version, name }) => ({ version, name })) };
  });
}

/** What a baseline at `to` would record. */
export function baselineTargets(standings: readonly Standing[], to: string): Migration[] {
  const target = targetIndex(standings, to);
  const open = standings.slice(0, target + 1).filter((standing) => standing.applied === null);
  const migrations = open.flatMap((standing) => (standing.migration === null ? [] : [standing.migration]));
  if (migrations.length === 0) {
    throw new PulseError('not-possible', `everything up to ${to} is recorded as applied already`, {
      hint: 'pulse-migrate status',
    });
  }
  return migrations;
}

/** One transaction under the lease: the row lock fails the moment somebody else has taken it. */
async function inTransaction(
  deps: RunnerDeps,
  schema: string,
  token: string,
  work: () => Promise<void>,
): Promise<void> {
  await deps.session.run('BEGIN');
  try {
    const held = await deps.session.rows(
      sql`SELECT 1 AS held FROM ${ident(schema, 'lease')} WHERE token = ${token}::pg_catalog.uuid FOR UPDATE`,
    );
    if (held.length === 0)
      throw new PulseError('lock-not-obtained', 'the run lease was taken over by another run; nothing was recorded');
    await work();
    await deps.session.run('COMMIT');
  } catch (error) {
    await deps.session.run('ROLLBACK').catch(() => {});
    throw error;
  }
}

function disagreementsOf(folder: Folder | null, ledger: LedgerState): RepairResult['disagreements'] {
  return compare(folder, ledger)
    .filter((standing) => !['applied', 'pending'].includes(standing.state) || standing.unfinished !== null)
    .map(({ version, name, state, unfinished }) => ({
      version,
      name,
      state: unfinished === null ? state : 'unfinished',
    }));
}
