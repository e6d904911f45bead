import { type Interruption, interruptible } from './interruptible.ts';
import type { Session } from './session.ts';
import { givenUpWhenSilent } from './silence.ts';

/** A session that a signal interrupts and that does not wait for ever for a server that is gone. */
export function guarded(session: Session, interruption: Interruption): Session {
  return interruptible(givenUpWhenSilent(session, interruption), interruption);
}
