import { readdirSync } from 'node:fs';
import { secretsOf } from '../config/redact.ts';
import type { Settings } from '../config/settings.ts';
import { PulseError } from '../errors.ts';
import type { FolderFor } from '../migrations/folder.ts';
import type { Folder, FolderWarning } from '../migrations/migration.ts';
import type { ConnectionParameters } from '../postgres/connection-parameters.ts';
import type { Session } from '../postgres/session.ts';
import type { RunnerDeps } from '../runner/step.ts';
import type { Invocation } from './cli.ts';
import { embeddedParameters } from './embedded-place.ts';

/** Reads the configuration; from here on its password is kept out of every output. */
export async function openSettings(invocation: Invocation): Promise<Settings> {
  const { loadSettings } = await import('../config/load.ts');
  const { runtime, global, secrets, progress } = invocation;
  const settings = await loadSettings(global.settings, {
    cwd: runtime.cwd,
    env: runtime.env,
    homeDirectory: runtime.homeDirectory,
    userName: runtime.userName,
  });
  if (settings.database.kind === 'server') {
    for (const secret of secretsOf(settings.database.parameters)) secrets.add(secret);
  }
  for (const message of settings.warnings) progress.emit({ type: 'warning', message });
  if (global.verbose && !global.json) {
    for (const [key, origin] of Object.entries(settings.origins)) runtime.stderr.write(`${key}: ${origin}\n`);
  }
  const { skip, severity } = settings.checks;
  if (skip.length > 0 || severity.size > 0) {
    const { assertKnownChecks } = await import('../doctor/checklist.ts');
    assertKnownChecks([...skip, ...severity.keys()]);
  }
  return settings;
}

/** Reads the folder, before the first connection, and tells its warnings. */
export async function openFolder(invocation: Invocation, settings: Settings): Promise<Folder> {
  const folderFor = await readTold(invocation, settings);
  return folderFor([]);
}

/**
 * As `openFolder`, for work that asks for the folder as soon as it knows what is applied: what is known from then is
 * not taken apart. Where the work fails before it asks, what is wrong with the folder goes before its failure.
 */
export async function withFolderFor<Result>(
  invocation: Invocation,
  settings: Settings,
  work: (folderFor: FolderFor) => Promise<Result>,
): Promise<Result> {
  const folderFor = await readTold(invocation, settings);
  let isAsked = false;
  try {
    return await work((applied) => {
      isAsked = true;
      return folderFor(applied);
    });
  } catch (error) {
    if (!isAsked && !invocation.runtime.signal.aborted) folderFor([]);
    throw error;
  }
}

/** The folder, each of its warnings told when it is known, and once. */
async function readTold({ progress }: Invocation, settings: Settings): Promise<FolderFor> {
  const { readFolderFor } = await import('../migrations/folder.ts');
  const folderFor = await readFolderFor({
    directory: settings.directory,
    shown: settings.directoryShown,
    ...(settings.order !== null && { order: settings.order }),
    requireDown: settings.requireDown,
    allowEmpty: settings.allowEmpty,
    transaction: settings.transaction,
  });
  const told = new Set<FolderWarning>();
  return (applied) => {
    const folder = folderFor(applied);
    for (const warning of folder.warnings) {
      if (told.has(warning)) continue;
      told.add(warning);
      const { path, message, hint } = warning;
      progress.emit({ type: 'warning', message: `${path}: ${message}`, ...(hint !== undefined && { hint }) });
    }
    return folder;
  };
}

/** The folder, or null where `isFolderThere` says so. Throws as that does. */
export async function openFolderIfThere(invocation: Invocation, settings: Settings): Promise<Folder | null> {
  return isFolderThere(invocation, settings) ? openFolder(invocation, settings) : null;
}

/**
 * False for a folder that is empty or not there: what was applied can be undone from the ledger alone.
 * @throws {PulseError} `folder-invalid` also where a folder that was named is not there: a misspelt name would pass for
 * a folder in which nothing is pending.
 */
export function isFolderThere(invocation: Invocation, settings: Settings): boolean {
  try {
    return readdirSync(settings.directory).some((name) => /\.sql$/i.test(name));
  } catch (error) {
    // What else is wrong with it is told when it is read.
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) return true;
  }
  const shown = settings.directoryShown;
  const message = `the folder of migrations ${shown} does not exist`;
  const origin = settings.origins['dir'] ?? 'default';
  if (!origin.startsWith('default')) {
    throw new PulseError('folder-invalid', `${message} (${origin})`, {
      hint: `correct the name; to go by the ledger alone, make it an empty folder: mkdir -p ${shown}`,
      location: { file: shown },
    });
  }
  invocation.progress.emit({ type: 'warning', message, hint: 'name the folder with --dir' });
  return false;
}

/** A session and what another one to the same database needs. */
export interface Opened {
  readonly session: Session;
  readonly parameters: ConnectionParameters;
  readonly reconnectWaitMs: number | null;
}

/** Connects to the database of the settings; an embedded one is started when it does not run. */
export async function openSession(invocation: Invocation, settings: Settings): Promise<Opened> {
  const [{ connect }, { guarded }] = await Promise.all([
    import('../postgres/connect.ts'),
    import('../postgres/guarded.ts'),
  ]);
  const { progress, runtime } = invocation;
  const parameters =
    settings.database.kind === 'embedded' ? await embeddedParameters(invocation) : settings.database.parameters;
  const begin = () =>
    connect(parameters, {
      onNotice: ({ severity, message }) => progress.emit({ type: 'server-notice', severity, message }),
    });
  const session = await orInterrupted(runtime.signal, begin, (late) => void late.close());
  return { session: guarded(session, runtime), parameters, reconnectWaitMs: settings.reconnectWaitMs };
}

/** Waits for something that cannot be cancelled, but not longer than until a signal, behind which nothing is begun. */
async function orInterrupted<Value>(
  signal: AbortSignal,
  begin: () => Promise<Value>,
  discard: (late: Value) => void,
): Promise<Value> {
  signal.throwIfAborted();
  const work = begin();
  let stop = () => {};
  const interrupted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
  });
  try {
    return await Promise.race([work, interrupted]);
  } catch (error) {
    if (signal.aborted) work.then(discard, () => {});
    throw error;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** What the runner needs, from the process as it is. */
export async function runnerDeps(
  invocation: Invocation,
  { session, parameters, reconnectWaitMs }: Opened,
): Promise<RunnerDeps> {
  const [{ toolVersion }, { connect }, { guarded }, { actorOf }] = await Promise.all([
    import('../version.ts'),
    import('../postgres/connect.ts'),
    import('../postgres/guarded.ts'),
    import('./actor.ts'),
  ]);
  const { runtime, progress } = invocation;
  return {
    session,
    emit: progress.emit,
    now: runtime.now,
    sleep: runtime.sleep,
    every: runtime.every,
    connect: async (withinMs) => {
      const begin = () => connect(withinTime(parameters, withinMs));
      return guarded(await orInterrupted(runtime.signal, begin, (late) => void late.close()), runtime);
    },
    reconnectWaitMs,
    newId: runtime.newId,
    chance: runtime.chance,
    signal: runtime.signal,
    actor: actorOf(runtime),
    toolVersion,
  };
}

/** A connect_timeout of 0 means for ever. */
function withinTime(parameters: ConnectionParameters, milliseconds: number | undefined): ConnectionParameters {
  if (milliseconds === undefined) return parameters;
  const configured = parameters.connectTimeoutMs || milliseconds;
  return { ...parameters, connectTimeoutMs: Math.min(configured, milliseconds) };
}

/** A whole number of at least 1 from a flag. */
export function positiveInteger(flags: Invocation['flags'], key: string): number | undefined {
  const value = flags[key];
  if (value === undefined) return undefined;
  const number = Number(value);
  if (Number.isSafeInteger(number) && number >= 1) return number;
  throw new PulseError('usage', `--${key} takes a whole number of at least 1, not "${String(value)}"`, {
    hint: `for example: --${key} 1`,
  });
}

/** A flag with a text. */
export function textFlag(flags: Invocation['flags'], key: string): string | undefined {
  const value = flags[key];
  return typeof value === 'string' ? value : undefined;
}

/** A day or a time with its zone, which would be this machine's without one. */
export function timeFlag(flags: Invocation['flags'], key: string): Date | null {
  const text = textFlag(flags, key);
  if (text === undefined) return null;
  const time = new Date(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text);
  if (/^\d{4}-\d\d-\d\d(T.*(Z|[+-]\d\d:?\d\d))?$/.test(text) && !Number.isNaN(time.getTime())) return time;
  throw new PulseError('usage', `--${key} takes a day or a time with its zone, not "${text}"`, {
    hint: `for example: --${key} 2027-01-01, or --${key} 2027-01-01T12:00:00Z`,
  });
}

/** One of several words. */
export function choiceFlag<Choice extends string>(
  flags: Invocation['flags'],
  key: string,
  choices: readonly Choice[],
): Choice | undefined {
  const text = textFlag(flags, key);
  const found = choices.find((choice) => choice === text);
  if (text === undefined || found !== undefined) return found;
  throw new PulseError('usage', `--${key} takes ${choices.join(', ')}, not "${text}"`, {
    hint: `for example: --${key} ${choices[0]}`,
  });
}
