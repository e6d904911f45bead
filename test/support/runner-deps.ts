import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Session } from '../../src/postgres/session.ts';
import type { RunnerDeps } from '../../src/runner/step.ts';
import { openSession } from './open-session.ts';

/** What the runner needs, for a test that calls one part of it: quiet, without a heartbeat, and nobody in particular. */
export function runnerDeps(session: Session, url: string): RunnerDeps {
  return {
    session,
    emit: () => {},
    now: () => new Date(),
    sleep: (milliseconds) => delay(milliseconds),
    every: () => () => {},
    connect: () => openSession(url),
    reconnectWaitMs: null,
    newId: randomUUID,
    chance: Math.random,
    signal: new AbortController().signal,
    actor: { osUser: null, host: null, ciJob: null, gitCommit: null },
    toolVersion: '0.0.0',
  };
}
