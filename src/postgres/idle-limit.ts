/**
 * Between two messages of a transaction there are milliseconds. A client that hangs, or is cut off so that the server
 * hears nothing of it, must not keep its locks for longer than this.
 */
export const idleLimitMs = 15_000;

/** The same, to SET. */
export const idleLimit = `idle_in_transaction_session_timeout = ${idleLimitMs}`;

/** Begins a transaction that ends with its client, in one message, also where the session's settings are not ours. */
export function boundedBegin(begin = 'BEGIN'): string {
  return `${begin}; SET LOCAL ${idleLimit}`;
}

/** A role or database may have idle sessions ended, and ours waits for a backup, for another run, or between two tries. */
export const noIdleSessionLimit = 'SET idle_session_timeout = 0';
