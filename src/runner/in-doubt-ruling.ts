import { type ErrorCode, PulseError } from '../errors.ts';
import type { SettledState } from '../events.ts';
import type { Session } from '../postgres/session.ts';
import { quoted } from './in-doubt-catalog.ts';
import type { NameParts } from './in-doubt-statement.ts';

/**
 * What the journal tells of earlier runs: whether the statement was begun with the very text it has now, and the
 * transaction of the mark. A mark is set only while the effect is not there, so that what is found later is its work.
 */
export interface EarlierRun {
  readonly sameText: boolean;
  readonly xid: string;
}

export interface Settling {
  readonly session: Session;
  /** Null when no run has begun the statement. */
  readonly earlier: EarlierRun | null;
  /** Runs a statement of ours that cannot run in a transaction, if the lease is still held. */
  readonly execute: (text: string) => Promise<void>;
  readonly sleep: (milliseconds: number) => Promise<void>;
  readonly warn: (message: string, hint: string) => void;
}

/** What to do with a statement. */
export interface Ruling {
  readonly next: 'run' | 'done';
  /** False when the effect is there already, so that the server will refuse or skip the statement. */
  readonly mark: boolean;
  /** What was settled, to be told once the statement is done; null when nothing was in doubt. */
  readonly found: { readonly object: string; readonly state: SettledState } | null;
}

/** Nothing is in the way. */
export const runFresh: Ruling = { next: 'run', mark: true, found: null };
/** For the server to refuse or skip. */
export const runUnmarked: Ruling = { next: 'run', mark: false, found: null };

/** An earlier run did it. */
export function done(object: string): Ruling {
  return { next: 'done', mark: false, found: { object, state: 'done' } };
}

/** A refusal of ours, before a statement ran or after the server had skipped it. */
export function failed(message: string, hint: string, code: ErrorCode = 'migration-failed'): PulseError {
  return new PulseError(code, message, { hint });
}

/** For reading: in quotes only where it would be another name without them. */
export function shown(name: NameParts): string {
  return name.map((part) => (/^[a-z_][a-z0-9_$]*$/.test(part) ? part : quoted([part]))).join('.');
}
