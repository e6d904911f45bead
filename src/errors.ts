/**
 * The one error class, and the catalogue of everything that can go wrong for a reason other than a bug.
 * A code decides the exit code; the message says what happened, the hint says what to type next.
 */

/** One row of the catalogue: the exit code, one line of meaning, and what usually helps. */
export interface CatalogueRow {
  readonly exitCode: number;
  readonly meaning: string;
  readonly nextStep: string;
}

export const catalogue = {
  usage: {
    exitCode: 2,
    meaning: 'the command line is not one this program understands',
    nextStep: 'pulse-migrate --help',
  },
  'config-invalid': {
    exitCode: 2,
    meaning: 'the configuration has problems; each is listed with its line or origin',
    nextStep: 'correct .pulsemigraterc and run the command again',
  },
  'folder-invalid': {
    exitCode: 2,
    meaning: 'the folder of migrations cannot be taken as it is; each file is listed with its cure',
    nextStep: 'correct the files named and run: pulse-migrate status',
  },
  'target-unknown': {
    exitCode: 2,
    meaning: 'the version asked for is neither a file nor an applied migration',
    nextStep: 'pulse-migrate status',
  },
  'not-possible': {
    exitCode: 2,
    meaning: 'the command does not fit the state the database is in',
    nextStep: 'pulse-migrate status',
  },
  'client-tool-missing': {
    exitCode: 2,
    meaning: 'a client program of PostgreSQL that is needed is missing, too old or failed',
    nextStep: 'install the PostgreSQL client tools of the major version of the server, or use --backup-done',
  },
  'backup-failed': {
    exitCode: 1,
    meaning: 'the backup could not be made, or what was written does not read back; nothing was changed',
    nextStep: 'correct the cause, or make the backup yourself and add --backup-done',
  },
  'embedded-unavailable': {
    exitCode: 3,
    meaning: 'the embedded server cannot be started on this machine',
    nextStep: 'pulse-migrate embedded reset, or name a server with --database-url',
  },
  'connection-failed': {
    exitCode: 3,
    meaning: 'no connection to the server',
    nextStep: 'check host, port and that the server runs: pulse-migrate doctor',
  },
  'authentication-failed': {
    exitCode: 3,
    meaning: 'the server refused the role or its password',
    nextStep: 'check the role and password in DATABASE_URL, PGPASSWORD or .pgpass',
  },
  'database-missing': {
    exitCode: 3,
    meaning: 'the server has no database of that name',
    nextStep: 'create it: createdb NAME, or correct DATABASE_URL',
  },
  'permission-denied': {
    exitCode: 3,
    meaning: 'the role lacks a right',
    nextStep: 'pulse-migrate doctor shows which right is missing and the GRANT to run',
  },
  'pooler-refused': {
    exitCode: 3,
    meaning: 'a connection pooler in between works in a mode in which no migration can run',
    nextStep: 'connect to the server itself, or to a pool with pool_mode = transaction or session',
  },
  'search-path-refused': {
    exitCode: 3,
    meaning: 'search_path has another schema before pg_catalog, whose operators would pass for those of the server',
    nextStep: 'leave pg_catalog out of search_path: it comes first then',
  },
  'read-only-server': {
    exitCode: 3,
    meaning: 'the server is a standby or read-only',
    nextStep: 'connect to the primary: target_session_attrs=read-write',
  },
  'connection-lost': {
    exitCode: 3,
    meaning: 'the connection ended while the command was at work',
    nextStep: 'pulse-migrate status shows what is applied; then run the command again',
  },
  'lock-not-obtained': {
    exitCode: 4,
    meaning: 'another run, or another session, holds a lock that was not freed in time',
    nextStep: 'wait for the holder named, then run the command again',
  },
  'migration-failed': {
    exitCode: 5,
    meaning: 'a migration failed and was rolled back; nothing of it remains',
    nextStep: 'correct the file and run: pulse-migrate up',
  },
  'migration-partial': {
    exitCode: 6,
    meaning: 'a migration that runs without a transaction stopped part of the way',
    nextStep: 'correct the cause and run: pulse-migrate up; finished statements are not repeated',
  },
  'ledger-mismatch': {
    exitCode: 7,
    meaning: 'what the ledger says was applied and what the files say disagree',
    nextStep: 'pulse-migrate status; then pulse-migrate diff VERSION',
  },
  'ledger-newer': {
    exitCode: 7,
    meaning: 'the ledger was written by a newer version of pulse-migrate',
    nextStep: 'update pulse-migrate: npm install pulse-migrate@latest',
  },
  'confirmation-needed': {
    exitCode: 8,
    meaning: 'the command wants a confirmation that was not given',
    nextStep: 'add the flag that the message names',
  },
  irreversible: {
    exitCode: 8,
    meaning: 'the migration says of itself that it cannot be undone',
    nextStep: 'write a new migration that corrects it: pulse-migrate new NAME',
  },
  'check-failed': {
    exitCode: 1,
    meaning: 'a check of the pre-migration checklist failed; nothing was changed',
    nextStep: 'pulse-migrate doctor; a finding is accepted by name with --skip-check ID',
  },
  'target-missed': {
    exitCode: 1,
    meaning: 'a key query is slower than its target, does not use its index, or fails',
    nextStep: 'pulse-migrate report queries --explain',
  },
  'rows-in-default': {
    exitCode: 1,
    meaning: 'rows in a DEFAULT partition are in the way of a partition that is missing',
    nextStep: 'move them out of the DEFAULT partition, then run: pulse-migrate partition create-next',
  },
  'archive-failed': {
    exitCode: 1,
    meaning: 'an archive could not be written, or does not read back; the partition is untouched',
    nextStep: 'correct the cause and run the command again; pulse-migrate partition archives',
  },
  pending: {
    exitCode: 1,
    meaning: 'migrations are pending, or disagree with the ledger',
    nextStep: 'pulse-migrate up',
  },
  interrupted: {
    exitCode: 130,
    meaning: 'a signal ended the command (130 SIGINT, 143 SIGTERM, 129 SIGHUP)',
    nextStep: 'pulse-migrate status',
  },
  bug: {
    exitCode: 70,
    meaning: 'a bug in pulse-migrate',
    nextStep: 'report it with the output of the command',
  },
} as const satisfies Record<string, CatalogueRow>;

export type ErrorCode = keyof typeof catalogue;

/** A place in a file a person can edit: line and column count from 1, the column in characters. */
export interface Location {
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
  /** The text of that line, for the caret. */
  readonly excerpt?: string;
  /** The column at which `excerpt` begins where the line is too long to show whole; 1 when absent. */
  readonly excerptColumn?: number;
}

/** One of several problems that are reported together. */
export interface Problem {
  readonly message: string;
  readonly hint?: string;
  readonly location?: Location;
}

/** What the server said about a failed statement, in its own words. */
export interface ServerReport {
  readonly sqlstate: string;
  readonly detail?: string;
  readonly hint?: string;
  readonly context?: string;
}

export interface PulseErrorOptions {
  readonly hint?: string;
  readonly location?: Location;
  readonly problems?: readonly Problem[];
  readonly server?: ServerReport;
  /** What is true now although the command failed; becomes `result` of the JSON document. */
  readonly result?: unknown;
  /** Overrides the exit code of the catalogue (signals). */
  readonly exitCode?: number;
  /** The same as `result` for a person, one sentence a line: what is applied now, what was rolled back, what did not run. */
  readonly now?: readonly string[];
  readonly cause?: unknown;
}

/** Every failure a user can cause. Anything else that is thrown is a bug. */
export class PulseError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;
  readonly location: Location | undefined;
  readonly problems: readonly Problem[];
  readonly server: ServerReport | undefined;
  readonly result: unknown;
  readonly exitCode: number;
  readonly now: readonly string[];

  constructor(code: ErrorCode, message: string, options: PulseErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'PulseError';
    this.code = code;
    this.hint = options.hint ?? catalogue[code].nextStep;
    this.location = options.location;
    this.problems = options.problems ?? [];
    this.server = options.server;
    this.result = options.result;
    this.exitCode = options.exitCode ?? catalogue[code].exitCode;
    this.now = options.now ?? [];
  }

  /** The same failure with what is true now attached, as the caller further out knows it. */
  withResult(result: unknown, now: readonly string[] = this.now): PulseError {
    return this.#with({ result, now });
  }

  /** The same failure after a part of the command: its rest is what to run then, not all of it again. */
  goingOnWith(rest: string): PulseError {
    return this.#with({ hint: this.hint.replace('run the command again', `run: ${rest}`) });
  }

  #with(changed: PulseErrorOptions): PulseError {
    return new PulseError(this.code, this.message, {
      hint: this.hint,
      ...(this.location && { location: this.location }),
      problems: this.problems,
      ...(this.server && { server: this.server }),
      result: this.result,
      exitCode: this.exitCode,
      now: this.now,
      cause: this.cause,
      ...changed,
    });
  }
}
