/** The one table of everything that can be configured. Reading, checking, the example file and the README follow it. */
import { readSeverities } from './check-severities.ts';
import { readKeyQueries } from './key-queries.ts';
import { readPartitionedTables } from './partitioned-tables.ts';
import {
  type Read,
  readBoolean,
  readChoice,
  readCount,
  readDuration,
  readPositiveDuration,
  readSchemaName,
  readText,
  readTextList,
} from './readings.ts';
import { readRetentionRules } from './retention-rules.ts';
import type { FlagInput } from './settings.ts';

/** One key of the configuration file; `backup.policy` is `policy` inside the section `backup`. */
export interface ConfigurationKey<Value> {
  readonly name: string;
  /** The kind of value, in the words of the README. */
  readonly type: string;
  /** The default in the words of the README. */
  readonly default: string;
  readonly description: string;
  /** The environment variable that sets it too, above the file. */
  readonly variable: string | null;
  /** The flag that sets it too, above all else, and the field that carries it. */
  readonly flag: { readonly name: string; readonly input: keyof FlagInput } | null;
  readonly read: Read<Value>;
}

function key<Value>(
  name: string,
  row: Omit<ConfigurationKey<Value>, 'name' | 'variable' | 'flag'> & Partial<ConfigurationKey<Value>>,
): ConfigurationKey<Value> {
  return { variable: null, flag: null, ...row, name };
}

export const keys = {
  database: key('database', {
    type: '`embedded`, URL or libpq keywords',
    default: 'what libpq takes: PG* variables, then the local socket',
    description: `the database to work on; \${NAME} stands for an environment variable, $\${ for a plain \${`,
    variable: 'DATABASE_URL',
    flag: { name: '--database-url', input: 'databaseUrl' },
    read: readText,
  }),
  dir: key('dir', {
    type: 'path',
    default: '`migrations`, or `db/migrations` where only that exists',
    description: 'the folder of migrations, seen from the configuration file',
    variable: 'PULSE_DIR',
    flag: { name: '--dir', input: 'dir' },
    read: readText,
  }),
  order: key('order', {
    type: '`number` or `text`',
    default: 'none: a folder where the two disagree is refused',
    description: 'how versions are compared where order by number and order by text disagree',
    read: readChoice(['number', 'text']),
  }),
  requireDown: key('requireDown', {
    type: '`true` or `false`',
    default: 'true',
    description: 'whether every migration needs a down file',
    read: readBoolean,
  }),
  allowEmpty: key('allowEmpty', {
    type: '`true` or `false`',
    default: 'false',
    description: 'whether a file of zero bytes is taken as a migration that does nothing',
    read: readBoolean,
  }),
  transaction: key('transaction', {
    type: '`strict` or `auto`',
    default: 'strict',
    description:
      'whether a statement that cannot run in a transaction needs a directive in its file (strict) or not (auto)',
    read: readChoice(['strict', 'auto']),
  }),
  ledgerSchema: key('ledgerSchema', {
    type: 'name of a schema',
    default: 'pulse_migrate',
    description: 'the schema that holds the record of what was applied',
    variable: 'PULSE_LEDGER_SCHEMA',
    read: readSchemaName,
  }),
  lockWait: key('lockWait', {
    type: 'duration',
    default: '5m',
    description: 'how long to wait for another run to finish',
    variable: 'PULSE_LOCK_WAIT',
    flag: { name: '--lock-wait', input: 'lockWait' },
    read: readDuration,
  }),
  lockTimeout: key('lockTimeout', {
    type: 'duration',
    default: '1s',
    description: 'the longest a migration waits for a lock in one try; whoever queues behind it waits no longer',
    variable: 'PULSE_LOCK_TIMEOUT',
    flag: { name: '--lock-timeout', input: 'lockTimeout' },
    read: readPositiveDuration,
  }),
  lockRetries: key('lockRetries', {
    type: 'whole number',
    default: '30',
    description: 'how often a migration that did not get a lock is tried again',
    variable: 'PULSE_LOCK_RETRIES',
    flag: { name: '--lock-retries', input: 'lockRetries' },
    read: readCount,
  }),
  reconnectWait: key('reconnectWait', {
    type: 'duration',
    default: '30s, and 3s for a server that has fallen silent',
    description: 'how long to wait for the server after the connection was lost',
    variable: 'PULSE_RECONNECT_WAIT',
    flag: { name: '--reconnect-wait', input: 'reconnectWait' },
    read: readDuration,
  }),
  protected: key('protected', {
    type: '`true` or `false`',
    default: 'false',
    description: 'whether commands that undo want the name of the database spelled out',
    read: readBoolean,
  }),
  backupPolicy: key('backup.policy', {
    type: '`ask`, `require` or `skip`',
    default: 'ask',
    description: 'ask a person for a backup, require one from scripts too, or leave backups to you',
    read: readChoice(['ask', 'require', 'skip']),
  }),
  backupDirectory: key('backup.directory', {
    type: 'path',
    default: 'none',
    description: 'where dumps made by this program go, seen from the configuration file',
    flag: { name: '--backup', input: 'backup' },
    read: readText,
  }),
  checksSkip: key('checks.skip', {
    type: 'list of check ids',
    default: 'none',
    description: 'checks of the doctor whose failure is accepted; --skip-check adds to them',
    flag: { name: '--skip-check', input: 'skipCheck' },
    read: readTextList,
  }),
  checksSeverity: key('checks.severity', {
    type: 'section of `ignore`, `warning` or `failure` by check id',
    default: 'none: as each check has it',
    description:
      'how grave a finding is here: a check that fails may be a warning only, and one that warns may fail; an environment with this key replaces all of it',
    read: readSeverities,
  }),
  freeSpaceCommand: key('checks.freeSpaceCommand', {
    type: 'shell command',
    default: 'none',
    description:
      "a command that prints the free bytes of the server's data disk, where it cannot be measured from here",
    read: readText,
  }),
  partitions: key('partitions', {
    type: 'section of tables, each with `period`, `lead`, `by` and `trigger`',
    default: 'none: `partition create-next` serves the tables whose partitions show their period',
    description:
      'tables partitioned by time: `period` is day, week, month, quarter or year, `lead` so many of them ahead; `by` and `trigger: { rows: N }` say for `partition plan` by which column a table is to be partitioned, and from how many rows on; an environment with this key replaces all of it',
    read: readPartitionedTables,
  }),
  retention: key('retention', {
    type: 'section of tables, each with a list of rules',
    default: 'none: no row of a table without a rule is ever touched',
    description:
      'which rows go when, by `retention run`; see `.pulsemigraterc.example`; an environment with this key replaces all of it',
    read: readRetentionRules,
  }),
  queries: key('queries', {
    type: 'section of queries, each with `sql`, `target`, `parameters` and `index`',
    default: 'none',
    description:
      'what `report queries` runs: one statement, the duration that 95 of 100 runs have to stay below, a statement whose rows are the parameters, and the indexes that the plan has to use (a list; `a | b` is either); an environment with this key replaces all of it',
    read: readKeyQueries,
  }),
} as const;

/** Every key in the order of the README. */
export const configurationKeys: readonly ConfigurationKey<unknown>[] = Object.values(keys);

/** The section that holds other values for some keys, by name of the environment. */
export const environmentsKey = 'environments';
