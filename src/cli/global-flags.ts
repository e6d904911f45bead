import { type Command, Option } from 'commander';
import type { FlagInput } from '../config/settings.ts';
import { PulseError } from '../errors.ts';

/** Flags that every command takes, before or after its name. Absent means not given: the configuration may say otherwise. */
export interface GlobalFlags {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly noColour: boolean;
  readonly yes: boolean;
  readonly settings: FlagInput;
}

type Flags = Readonly<Record<string, unknown>>;

/** One wording for all commands. */
const definitions: ReadonlyArray<readonly [flags: string, description: string]> = [
  ['--json', 'one JSON document on standard output'],
  ['--quiet', 'print nothing but errors and what was asked for'],
  ['--verbose', 'tell more: notices of the server, where each setting comes from'],
  ['--no-color', 'no colours (NO_COLOR does the same)'],
  ['--yes', 'answer every question with yes'],
  ['--config <file>', 'configuration file instead of .pulsemigraterc'],
  ['--env <name>', 'section of the configuration under "environments"'],
  ['--database-url <url>', 'server to connect to; better kept in DATABASE_URL'],
  ['--embedded', 'a PostgreSQL of its own for this project, started when needed'],
  ['--dir <folder>', 'folder of the migrations'],
  ['--lock-wait <duration>', 'how long to wait for another run, like 5m'],
  ['--lock-timeout <duration>', 'how long a statement waits for a lock in one try, like 1s'],
  ['--lock-retries <n>', 'how often to try again for a lock'],
  ['--reconnect-wait <duration>', 'how long to wait for a server that went away, like 30s'],
];

/** Adds the flags to the program, shown in help, and to a command, hidden there: the help lists them once, as global. */
export function addGlobalFlags(command: Command, hidden: boolean): void {
  for (const [flags, description] of definitions) command.addOption(new Option(flags, description).hideHelp(hidden));
}

/** Whether a flag without a value stands on the command line, seen before it is parsed; what follows `--` are words. */
export function isTyped(argv: readonly string[], flag: string): boolean {
  const end = argv.indexOf('--');
  return argv.slice(0, end < 0 ? argv.length : end).includes(flag);
}

/**
 * What was typed before and after the command's name, as one: after wins. Not commander's optsWithGlobals, in which
 * the default of `--no-color` on the program hides a `--no-color` behind the command.
 */
export function mergedFlags(command: Command): Flags {
  const chain: Command[] = [];
  for (let at: Command | null = command; at !== null; at = at.parent) chain.unshift(at);
  const merged: Record<string, unknown> = {};
  for (const level of chain) {
    for (const [key, value] of Object.entries(level.opts())) {
      if (level.getOptionValueSource(key) !== 'default') merged[key] = value;
    }
  }
  return merged;
}

/** The global flags among all that was typed. */
export function globalFlags(flags: Flags): GlobalFlags {
  refuseEmpty(flags);
  refuseContradiction(flags);
  const text = (key: string) => (typeof flags[key] === 'string' ? flags[key] : undefined);
  const settings = {
    config: text('config'),
    env: text('env'),
    databaseUrl: text('databaseUrl'),
    embedded: flags['embedded'] === true ? true : undefined,
    dir: text('dir'),
    lockWait: text('lockWait'),
    lockTimeout: text('lockTimeout'),
    lockRetries: text('lockRetries'),
    reconnectWait: text('reconnectWait'),
    skipCheck: Array.isArray(flags['skipCheck']) ? flags['skipCheck'].map(String) : undefined,
    backup: text('backup'),
  };
  return {
    json: flags['json'] === true,
    quiet: flags['quiet'] === true,
    verbose: flags['verbose'] === true,
    noColour: flags['color'] === false,
    yes: flags['yes'] === true,
    settings: Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)),
  };
}

/** An empty value is a variable that was not set: to go on as if the flag had not been given would be another command. */
function refuseEmpty(flags: Flags): void {
  const empty = Object.entries(flags).find(([, value]) => typeof value === 'string' && value.trim() === '')?.[0];
  if (empty === undefined) return;
  const flag = `--${empty.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  throw new PulseError('usage', `${flag} is empty`, { hint: `give ${flag} a value, or leave it out` });
}

/** To take the one and let the other go would be a guess at which of the two was meant. */
function refuseContradiction(flags: Flags): void {
  if (flags['backup'] === undefined || flags['backupDone'] !== true) return;
  throw new PulseError('usage', '--backup and --backup-done exclude each other', {
    hint: 'give --backup DIR to take a backup now, or --backup-done if you have one',
  });
}
