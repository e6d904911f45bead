import { redactText } from '../config/redact.ts';
import type { Settings } from '../config/settings.ts';
import { PulseError } from '../errors.ts';
import type { Invocation } from './cli.ts';

/** What is asked before something is done that cannot be taken back by the same command. */
export interface Question {
  readonly settings: Settings;
  readonly database: string;
  /** What would be done: `undo 2 migrations`; and each of them on a line of its own. */
  readonly would: string;
  readonly list: string;
  /** The same as data. */
  readonly result: Readonly<Record<string, unknown>>;
}

/**
 * Nothing of the kind happens by accident: `--i-know` says that it is meant, in a protected environment with the
 * database's own name.
 * @throws {PulseError} `confirmation-needed`, with what would be done.
 */
export function confirm(invocation: Invocation, { settings, database, would, list, result }: Question): void {
  const known = invocation.flags['iKnow'];
  const refuse = (message: string, hint: string) => new PulseError('confirmation-needed', message, { hint, result });
  if (known === undefined) {
    throw refuse(
      `this would ${would} in database ${database}:\n${list}`,
      `if that is meant: ${asTyped(invocation)} --i-know${settings.protected ? ` ${quoted(database)}` : ''}`,
    );
  }
  if (typeof known === 'string' && known !== database) {
    throw refuse(
      `--i-know names database ${known}, but this is database ${database}; nothing was done`,
      `if this database is meant: --i-know ${quoted(database)}`,
    );
  }
  if (settings.protected && known !== database) {
    const environment = settings.environment === null ? 'this environment' : `environment ${settings.environment}`;
    throw refuse(
      `${environment} is protected: --i-know wants the name of the database; this would ${would}:\n${list}`,
      `if that is meant: --i-know ${quoted(database)}`,
    );
  }
}

/**
 * The whole line again: without its other options it would do something else than what was just listed. Secrets go
 * before the quoting, behind which they would not be recognised.
 */
function asTyped({ runtime, secrets }: Invocation): string {
  const words = runtime.argv.map((word) => quoted(redactText(word, [...secrets])));
  return ['pulse-migrate', ...words].join(' ');
}

/** A word as a shell takes it. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./[\]-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
