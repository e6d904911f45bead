import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inject, onTestFinished } from 'vitest';
import { type CliOptions, type CliRun, cli } from './cli.ts';
import type { TestDatabase } from './database.ts';

/** Names below `migrations/` with what is in them. */
export type Files = Readonly<Record<string, string | Uint8Array>>;

/** A directory as an operator would have it, removed when the test ends. */
export interface Project {
  readonly directory: string;
  /** The folder of migrations. */
  readonly migrations: string;
  /** Where DATABASE_URL points in this project's commands. */
  readonly env: Readonly<Record<string, string>>;
  write(files: Files): Promise<void>;
  remove(...names: readonly string[]): Promise<void>;
  configure(text: string): Promise<void>;
  cli(argv: readonly string[], options?: Partial<CliOptions>): Promise<CliRun>;
  /** The same for a command that has to end with exit code 0; throws with what it printed when it does not. */
  done(argv: readonly string[], options?: Partial<CliOptions>): Promise<CliRun>;
}

/** Makes a project whose commands reach `database`, or none; `null` makes it without a folder of migrations. */
export async function openProject(files: Files | null, database?: Pick<TestDatabase, 'url'>): Promise<Project> {
  const directory = await mkdtemp(join(inject('runDirectory'), 'project-'));
  // Some tests look at it as another user of the operating system.
  await chmod(directory, 0o755);
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const migrations = join(directory, 'migrations');
  const env: Readonly<Record<string, string>> = database === undefined ? {} : { DATABASE_URL: database.url };
  const project: Project = {
    directory,
    migrations,
    env,
    async write(more) {
      await mkdir(migrations, { recursive: true });
      for (const [name, content] of Object.entries(more)) await writeFile(join(migrations, name), content);
    },
    async remove(...names) {
      for (const name of names) await rm(join(migrations, name));
    },
    configure: (text) => writeFile(join(directory, '.pulsemigraterc'), text),
    cli: (argv, options = {}) => cli(argv, { cwd: directory, ...options, env: { ...env, ...options.env } }),
    async done(argv, options) {
      const run = await project.cli(argv, options);
      if (run.exitCode !== 0) throw new Error(`${argv.join(' ')} ended ${run.exitCode}:\n${run.stdout}${run.stderr}`);
      return run;
    },
  };
  if (files !== null) await project.write(files);
  return project;
}

/** Files of pairs: `{ '0001_a': ['CREATE …', 'DROP …'] }`. */
export function pairs(sources: Readonly<Record<string, readonly [up: string, down: string]>>): Files {
  return Object.fromEntries(
    Object.entries(sources).flatMap(([stem, [up, down]]) => [
      [`${stem}.up.sql`, up],
      [`${stem}.down.sql`, down],
    ]),
  );
}

/** A pair that makes one table and drops it. */
export function table(name: string): readonly [up: string, down: string] {
  return [`CREATE TABLE ${name} (id int);\n`, `DROP TABLE ${name};\n`];
}
