import type { Direction, Emit } from '../events.ts';
import type { Entry } from '../ledger/append.ts';
import type { Actor } from '../ledger/ledger.ts';
import { checksumAlgorithm } from '../migrations/checksum.ts';
import type { MigrationFile } from '../migrations/migration.ts';
import type { Session } from '../postgres/session.ts';

/** What the runner needs from outside: a connection, time, chance, and somewhere to tell. */
export interface RunnerDeps {
  readonly session: Session;
  readonly emit: Emit;
  readonly now: () => Date;
  readonly sleep: (milliseconds: number) => Promise<void>;
  /** Calls `beat` again and again until the function it gives is called. */
  readonly every: (milliseconds: number, beat: () => void) => () => void;
  /** Opens another session to the same database, within so many milliseconds if the configured time is longer. */
  readonly connect: (withinMs?: number) => Promise<Session>;
  /** How long a server that went away is waited for, milliseconds; null: as long as it makes sense. */
  readonly reconnectWaitMs: number | null;
  readonly newId: () => string;
  /** A number in [0, 1), different each time. */
  readonly chance: () => number;
  /** Aborted by a signal of the operating system; its reason is the PulseError to end with. */
  readonly signal: AbortSignal;
  readonly actor: Actor;
  readonly toolVersion: string;
}

/** One file to run in one direction, with what its ledger row will say. */
export interface Step {
  readonly version: string;
  readonly number: bigint;
  readonly name: string;
  readonly direction: Direction;
  readonly file: MigrationFile;
  readonly upChecksum: string | null;
  readonly downChecksum: string | null;
  /** Kept with an up only: the row of a down refers to a text that is kept already. */
  readonly upSql: string | null;
  readonly downSql: string | null;
  readonly details: Readonly<Record<string, unknown>>;
}

/** The run a step belongs to. */
export interface Run {
  /** The ledger's schema. */
  readonly schema: string;
  /** The lease's token. */
  readonly token: string;
}

/** The run of one step. Every try has the same entry, so that the record itself tells whether one went through. */
export interface StepRun extends Run {
  /** What the ledger row will be called. */
  readonly entry: string;
}

/** One try at a step. */
export interface Attempt {
  readonly lockTimeoutMs: number;
  /** What earlier tries and the pauses between them took, milliseconds. */
  readonly waitedMs: number;
  /**
   * Told the backend that works on it, before the first statement of the file is sent, and how long that may wait for a
   * lock (0: for ever) where it is not `lockTimeoutMs`.
   */
  readonly onBackend: (backendPid: number, limitMs?: number) => void;
}

/** A step as results name it. */
export interface NamedStep {
  readonly version: string;
  readonly name: string;
}

/** What was done, for results. Milliseconds by the server's clock. */
export interface Done extends NamedStep {
  readonly durationMs: number;
}

/** The ledger row of a step. */
export function entryOf(
  deps: RunnerDeps,
  step: Step,
  entry: string,
  outcome: Entry['outcome'] = 'done',
  lockWaitMs: number | null = null,
): Entry {
  const effect = outcome !== 'done' ? 'none' : step.direction === 'up' ? 'applied' : 'reverted';
  return {
    entry,
    version: step.version,
    number: step.number,
    name: step.name,
    action: step.direction,
    outcome,
    effect,
    checksumAlgorithm,
    upChecksum: step.upChecksum,
    downChecksum: step.downChecksum,
    upSql: step.upSql,
    downSql: step.downSql,
    inTransaction: step.file.mode === 'transaction',
    lockWaitMs,
    actor: deps.actor,
    toolVersion: deps.toolVersion,
    details: step.details,
  };
}
