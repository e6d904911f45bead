/** The entry: everything that can be said about how to run, put together into `Settings`. */
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { closestName } from '../closest-name.ts';
import { type Problem, PulseError } from '../errors.ts';
import type { RetentionRule } from '../retention-rule.ts';
import { chooseDatabase, fileOrigin } from './database.ts';
import { checkFileValues, type FileValues, type ValuesByName } from './file-values.ts';
import { type ConfigurationFile, findConfigurationFile } from './find-file.ts';
import { schemeOf } from './retention-rules.ts';
import { type ConfigurationKey, keys } from './schema.ts';
import type { FlagInput, Origin, Settings, Surroundings } from './settings.ts';
import { shownPath } from './shown-path.ts';

interface Chosen<Value> {
  readonly value: Value;
  readonly origin: Origin;
  /** Where relative paths in the value start. */
  readonly base: string;
}

/** An environment variable that is set to nothing says nothing. */
function variable(around: Surroundings, name: string): string | null {
  const value = around.env[name];
  return value === undefined || value === '' ? null : value;
}

/** Looks values up in the order flag, environment variable, section of the environment, top of the file; collects what is wrong. */
class Layers {
  readonly problems: Problem[] = [];
  readonly origins: Record<string, Origin> = {};
  readonly #flags: FlagInput;
  readonly #around: Surroundings;
  readonly #inFile: readonly ValuesByName[];
  readonly base: string;

  constructor(flags: FlagInput, around: Surroundings, inFile: readonly ValuesByName[], base: string) {
    this.#flags = flags;
    this.#around = around;
    this.#inFile = inFile;
    this.base = base;
  }

  #candidate(key: ConfigurationKey<unknown>): Chosen<unknown> | null {
    const fromFlag = key.flag && this.#flags[key.flag.input];
    if (key.flag && fromFlag !== undefined && key.name !== keys.checksSkip.name)
      return { value: fromFlag, origin: key.flag.name, base: this.#around.cwd };
    const fromVariable = key.variable && variable(this.#around, key.variable);
    if (key.variable && fromVariable !== null)
      return { value: fromVariable, origin: key.variable, base: this.#around.cwd };
    const found = this.#inFile.map((values) => values.get(key.name)).find((value) => value !== undefined);
    return found ? { value: found.raw, origin: fileOrigin(found.location), base: this.base } : null;
  }

  given<Value>(key: ConfigurationKey<Value>): Chosen<Value> | null {
    const candidate = this.#candidate(key);
    if (candidate === null) return null;
    const reading = key.read(candidate.value);
    if (!reading.ok) {
      this.problems.push({
        message: `${candidate.origin} ${reading.problem}`,
        hint: reading.hint ?? `${key.name}: ${key.description}`,
      });
      return null;
    }
    this.origins[key.name] = candidate.origin;
    return { ...candidate, value: reading.value };
  }

  value<Value, Fallback>(key: ConfigurationKey<Value>, fallback: Fallback): Value | Fallback {
    const chosen = this.given(key);
    if (chosen === null) this.origins[key.name] = 'default';
    return chosen === null ? fallback : chosen.value;
  }

  path(key: ConfigurationKey<string>): string | null {
    const chosen = this.given(key);
    if (chosen === null) this.origins[key.name] = 'default';
    return chosen && resolve(chosen.base, chosen.value);
  }
}

function folderOf(layers: Layers): string {
  const given = layers.path(keys.dir);
  if (given !== null) return given;
  const usual = resolve(layers.base, 'migrations');
  const other = resolve(layers.base, 'db/migrations');
  if (existsSync(usual) || !existsSync(other)) return usual;
  layers.origins[keys.dir.name] = 'default (db/migrations exists, migrations does not)';
  return other;
}

/** The section of the environment asked for. A name nobody defined is refused: it would run with another environment's database. */
function sectionOf(name: string, origin: string, file: ConfigurationFile | null, values: FileValues): ValuesByName {
  const section = values.environments.get(name);
  if (section) return section;
  const known = [...values.environments.keys()];
  const meant = closestName(name, known);
  const list =
    known.length === 0
      ? `${file?.shown ?? '.pulsemigraterc'} defines none: add environments: and ${name}: below it`
      : `known: ${known.join(', ')}`;
  throw new PulseError('usage', `unknown environment "${name}" (${origin})`, {
    hint: meant === null ? list : `did you mean ${meant}? ${list}`,
  });
}

/** A directory for archives is seen from the file, as every other path in it. */
function withPlace(rule: RetentionRule, base: string): RetentionRule {
  const { archive } = rule;
  if (archive === null || schemeOf(archive.place) !== null) return rule;
  return { ...rule, archive: { ...archive, place: resolve(base, archive.place) } };
}

function invalid(problems: readonly Problem[]): PulseError {
  const [first] = problems;
  const message = problems.length === 1 && first ? first.message : `the configuration has ${problems.length} problems`;
  const only = problems.length === 1 ? first : undefined;
  return new PulseError('config-invalid', message, {
    problems,
    ...(only?.hint !== undefined && { hint: only.hint }),
    ...(only?.location && { location: only.location }),
  });
}

/**
 * Resolves the configuration: flags above environment variables above the file's section of the environment above
 * its top above defaults (the order for `database` is in database.ts).
 * @throws {PulseError} `config-invalid` with every problem at once, `usage` for flags that exclude each other and unknown environments.
 */
export async function loadSettings(flags: FlagInput, around: Surroundings): Promise<Settings> {
  if (flags.embedded && flags.databaseUrl !== undefined) {
    throw new PulseError('usage', '--embedded and --database-url exclude each other', { hint: 'give one of the two' });
  }
  const file = await findConfigurationFile(around.cwd, flags.config ?? variable(around, 'PULSE_CONFIG'));
  // What is no YAML has no keys to judge.
  if (file && file.problems.length > 0) throw invalid(file.problems);
  const values = checkFileValues(file?.root ?? null);
  // A file that could not be read in full may lack the environment asked for: its own problems come first.
  if (values.problems.length > 0) throw invalid(values.problems);
  const environment = flags.env ?? variable(around, 'PULSE_ENV');
  const section =
    environment === null ? null : sectionOf(environment, flags.env === undefined ? 'PULSE_ENV' : '--env', file, values);
  const layers = new Layers(
    flags,
    around,
    section ? [section, values.top] : [values.top],
    file ? dirname(file.path) : around.cwd,
  );
  const chosen = await chooseDatabase({
    flags,
    around,
    section: section?.get(keys.database.name) ?? null,
    top: values.top.get(keys.database.name) ?? null,
  });
  const directory = folderOf(layers);
  const settings: Omit<Settings, 'database'> = {
    directory,
    directoryShown: shownPath(around.cwd, directory),
    order: layers.value(keys.order, null),
    requireDown: layers.value(keys.requireDown, true),
    allowEmpty: layers.value(keys.allowEmpty, false),
    transaction: layers.value(keys.transaction, 'strict'),
    ledgerSchema: layers.value(keys.ledgerSchema, 'pulse_migrate'),
    environment,
    protected: layers.value(keys.protected, false),
    lockWaitMs: layers.value(keys.lockWait, 300_000),
    reconnectWaitMs: layers.value(keys.reconnectWait, null),
    lock: { timeoutMs: layers.value(keys.lockTimeout, 1_000), retries: layers.value(keys.lockRetries, 30) },
    // --backup DIR asks for a backup now, whatever the policy of the file.
    backup: {
      directory: layers.path(keys.backupDirectory),
      policy: flags.backup === undefined ? layers.value(keys.backupPolicy, 'ask') : 'require',
    },
    checks: {
      // The one value that adds up: a finding accepted in the file stays accepted when another is accepted by flag.
      skip: [...new Set([...layers.value(keys.checksSkip, []), ...(flags.skipCheck ?? [])])],
      severity: layers.value(keys.checksSeverity, new Map()),
      freeSpaceCommand: layers.value(keys.freeSpaceCommand, null),
    },
    partitions: layers.value(keys.partitions, []),
    retention: layers.value(keys.retention, []).map((rule) => withPlace(rule, layers.base)),
    queries: layers.value(keys.queries, []),
    origins: layers.origins,
    file: file?.shown ?? null,
    warnings: chosen.warnings.map(({ message, hint }) => (hint === undefined ? message : `${message}; ${hint}`)),
  };
  const problems = [...layers.problems, ...chosen.problems];
  if (chosen.database === null || problems.length > 0) throw invalid(problems);
  layers.origins[keys.database.name] = chosen.database.origin;
  if (flags.backup !== undefined) layers.origins[keys.backupPolicy.name] = '--backup';
  return { ...settings, database: chosen.database };
}
