/**
 * How long to wait for a lock, and how long not to ask for it. Measured with an 8 s reader in front and 16 others
 * behind: without a limit they waited 7.5 s, with 50 ms tries at most 118 ms; but under steady 50 ms readers a wait of
 * 10 ms never succeeds and 30 ms does at once. So short first, then longer, never without a limit, the last try included.
 */

/** What the configuration says; milliseconds. */
export interface LockPatience {
  /** The longest a statement waits for a lock in one try. */
  readonly timeoutMs: number;
  /** How often a file is tried again after the first time. */
  readonly retries: number;
}

/** Nobody wants to know who was in the way for so short a time, milliseconds. */
export const shortestTimeoutMs = 30;
const rising = [shortestTimeoutMs, 100, 300];

/** lock_timeout of a try, counted from 1, milliseconds. */
export function lockTimeout(attempt: number, { timeoutMs }: LockPatience): number {
  return Math.max(1, Math.min(rising[attempt - 1] ?? timeoutMs, timeoutMs));
}

const shortestPauseMs = 100;
const longestPauseMs = 5000;

/**
 * The pause after a try: several times the wait, so that whoever queued behind us gets through, with jitter, so that
 * two runs do not meet again and again. `chance` is in [0, 1).
 */
export function pauseAfter(attempt: number, patience: LockPatience, chance: number): number {
  const base = Math.min(longestPauseMs, Math.max(shortestPauseMs, 4 * lockTimeout(attempt, patience)));
  return Math.round(base * (0.5 + chance));
}
