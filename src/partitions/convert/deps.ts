import type { BlockerWatch } from '../../postgres/blockers.ts';
import type { LockPatience } from '../../postgres/lock-schedule.ts';
import type { PartitionDeps } from '../create-next.ts';

/** What a conversion needs from outside. */
export interface ConvertDeps extends PartitionDeps {
  readonly now: () => Date;
  /** The tool's schema in the database. */
  readonly toolSchema: string;
  readonly toolVersion: string;
  readonly patience: LockPatience;
  /** The part of the time in which the copy works, above 0 and up to 1: it rests for the other. */
  readonly duty: number;
}

/** The same with a look at who is in the way. */
export interface Work extends ConvertDeps {
  readonly blockers: BlockerWatch;
}
