import { PulseError } from '../errors.ts';
import { aroundStatements } from './around-statements.ts';
import type { Session } from './session.ts';

/** How often a statement under way is looked at, milliseconds. */
const beatMs = 1000;

/** Beats without a byte from the server before it is asked whether it is there: at first, and at most. */
const quietBeats = { first: 2, most: 15 } as const;

/** How long the question may stay unanswered, milliseconds. */
const answerMs = 3000;

/** Why a session was given up: nobody answered for long enough, also not on a connection of its own. */
class ServerSilent extends Error {
  constructor() {
    super('the server does not answer any more');
  }
}

/** Whether a failure goes back to a server that does not answer, rather than to one that closed the connection. */
export function fellSilent(error: unknown): boolean {
  return (
    error instanceof ServerSilent || (error instanceof Error && error.cause !== undefined && fellSilent(error.cause))
  );
}

/**
 * The session, whose statements do not wait for ever for a server that has vanished without closing the connection
 * (a cable, a firewall, a failover). A statement may be silent for hours: what decides is whether the same address
 * answers a question on a second connection, asked again and again and twice in vain. The statement then fails as
 * `connection-lost`, caused by `ServerSilent`: nine seconds after the last byte where it has just begun, and up to 22
 * where it has been answered for long.
 */
export function givenUpWhenSilent(
  session: Session,
  { every }: { readonly every: (milliseconds: number, beat: () => void) => () => void },
): Session {
  return aroundStatements(session, () => watchSilence(session, every));
}

function watchSilence(session: Session, every: (milliseconds: number, beat: () => void) => () => void): () => void {
  let patience: number = quietBeats.first;
  let quiet = 0;
  let heard = session.bytesHeard();
  let unanswered = 0;
  let asking = false;
  const answered = (answers: boolean) => {
    asking = false;
    quiet = 0;
    unanswered = answers ? 0 : unanswered + 1;
    if (answers) patience = Math.min(patience * 2, quietBeats.most);
    // The first may have been refused in an instant; the second comes soon, since a busy run may be at stake.
    else patience = 1;
    if (unanswered < 2 || session.bytesHeard() !== heard) return;
    session.abandon(
      new PulseError('connection-lost', 'the server does not answer any more', { cause: new ServerSilent() }),
    );
  };
  return every(beatMs, () => {
    if (asking) return;
    const now = session.bytesHeard();
    quiet = now === heard ? quiet + 1 : 0;
    if (now !== heard) unanswered = 0;
    heard = now;
    if (quiet < patience) return;
    asking = true;
    void session.answers(answerMs).then(answered);
  });
}
