import type { Directives } from '../migrations/migration.ts';
import { type LockPatience, lockTimeout } from '../postgres/lock-schedule.ts';

/** lock_timeout of the first try of a file, milliseconds. One that names its own time means it, from the first try on. */
export function firstLockTimeout({ lockTimeoutMs }: Pick<Directives, 'lockTimeoutMs'>, patience: LockPatience): number {
  return lockTimeoutMs ?? (patience.retries === 0 ? patience.timeoutMs : lockTimeout(1, patience));
}
