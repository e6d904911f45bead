import { aroundStatements } from './around-statements.ts';
import type { Session } from './session.ts';

/** A cancel that reaches a backend between two statements is lost, so it is sent again and again, milliseconds. */
const againMs = 250;

/** What a command still asks after the signal (a ROLLBACK, what is applied now) has this long, milliseconds. */
const graceMs = 3000;

/** What interrupts, and time. */
export interface Interruption {
  readonly signal: AbortSignal;
  /** Calls `beat` again and again until the function it gives is called. */
  readonly every: (milliseconds: number, beat: () => void) => () => void;
}

/**
 * The session, whose statements a signal cancels on the server, whatever they wait for. What the command makes of the
 * failure is its own; run() ends as interrupted.
 */
export function interruptible(session: Session, { signal, every }: Interruption): Session {
  let cancelling: Promise<void> | null = null;
  const cancel = (): Promise<void> => {
    cancelling ??= session.cancel().finally(() => {
      cancelling = null;
    });
    return cancelling;
  };

  const watch = () => {
    let waitedMs = signal.aborted ? 0 : graceMs;
    let stop = () => {};
    const insist = () => {
      if (waitedMs >= graceMs) void cancel();
      stop = every(againMs, () => {
        waitedMs += againMs;
        if (waitedMs >= graceMs) void cancel();
      });
    };
    if (signal.aborted) insist();
    else signal.addEventListener('abort', insist, { once: true });
    return () => {
      signal.removeEventListener('abort', insist);
      stop();
    };
  };

  // A cancel under way would hit the next statement.
  return { ...aroundStatements(session, watch, () => cancelling), cancel };
}
