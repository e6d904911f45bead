import type { Severity } from '../check-severity.ts';
import type { KeyQuery } from '../key-query.ts';
import type { PartitionedTableSetting } from '../periods.ts';
import type { ConnectionParameters } from '../postgres/connection-parameters.ts';
import type { RetentionRule } from '../retention-rule.ts';

/** Where a value came from, as shown to people: `--dir`, `DATABASE_URL`, `.pulsemigraterc:3`, `default`. */
export type Origin = string;

export type DatabaseChoice =
  | { readonly kind: 'embedded'; readonly origin: Origin }
  | { readonly kind: 'server'; readonly parameters: ConnectionParameters; readonly origin: Origin };

/** The resolved configuration: typed, complete, checked. Operations get the parts they need, never the file. */
export interface Settings {
  /** Absolute path of the folder of migrations, and the same as shown to people. */
  readonly directory: string;
  readonly directoryShown: string;
  readonly order: 'number' | 'text' | null;
  readonly requireDown: boolean;
  readonly allowEmpty: boolean;
  readonly transaction: 'strict' | 'auto';
  readonly ledgerSchema: string;
  readonly database: DatabaseChoice;
  /** The name given with --env, or null. */
  readonly environment: string | null;
  readonly protected: boolean;
  /** How long to wait for another run, milliseconds. */
  readonly lockWaitMs: number;
  /** How long a server that went away is waited for, milliseconds; null: as long as it makes sense. */
  readonly reconnectWaitMs: number | null;
  /** How long a statement waits for a lock in one try (milliseconds), and how often a file is tried again. */
  readonly lock: { readonly timeoutMs: number; readonly retries: number };
  readonly backup: {
    /** `ask` asks a person, `require` wants a backup from a script too, `skip` trusts the operator's own. */
    readonly policy: 'ask' | 'require' | 'skip';
    /** Absolute path of the directory for dumps made by the tool. */
    readonly directory: string | null;
  };
  readonly checks: {
    /** Ids of checks whose failure is accepted. */
    readonly skip: readonly string[];
    /** By the id of the check. */
    readonly severity: ReadonlyMap<string, Severity>;
    /** A shell command whose output is the free bytes of the server's data disk. */
    readonly freeSpaceCommand: string | null;
  };
  /** Tables that are partitioned by time. */
  readonly partitions: readonly PartitionedTableSetting[];
  /** In the order of the file. */
  readonly retention: readonly RetentionRule[];
  readonly queries: readonly KeyQuery[];
  /** Where each value came from, for `--verbose` and for messages. */
  readonly origins: Readonly<Record<string, Origin>>;
  /** Path of the configuration file as shown, or null. */
  readonly file: string | null;
  /** What was ignored or deserves a word, though the command can go on: a password file others can read, for one. */
  readonly warnings: readonly string[];
}

/** What the command line says; absent means not given, so that the file can win over defaults but not over flags. */
export interface FlagInput {
  readonly config?: string;
  readonly env?: string;
  readonly databaseUrl?: string;
  readonly embedded?: boolean;
  readonly dir?: string;
  readonly lockWait?: string;
  readonly lockTimeout?: string;
  readonly lockRetries?: string;
  readonly reconnectWait?: string;
  readonly skipCheck?: readonly string[];
  readonly backup?: string;
}

/** The world as the configuration sees it: handed in, so that a test needs no process of its own. */
export interface Surroundings {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly homeDirectory: string | null;
  /** The operating system's name of the user, libpq's default for `user`. */
  readonly userName: string | null;
}
