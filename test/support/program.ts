import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type CliRun, cliRun } from './cli.ts';
import { test as base } from './database.ts';
import type { Project } from './project.ts';

/** The program as a child of its own, for what only a process has: signals, a command line others can read, a death. */
export interface RunningProgram {
  readonly pid: number;
  /** What it left behind, once it ended; 128 + n where signal n ended it. */
  readonly ended: Promise<CliRun>;
  kill(signal: NodeJS.Signals): void;
}

/** Starts a command line in a child. */
export type StartProgram = (
  project: Project,
  argv: readonly string[],
  env?: Readonly<Record<string, string>>,
) => RunningProgram;

const launcher = join(import.meta.dirname, '../../bin/pulse-migrate.js');
const bundler = new URL('../../scripts/bundle.mjs', import.meta.url).href;

/** `test` with the built program beside the database; the build is that of the sources as they are now. */
export const test = base.extend(
  'start',
  { scope: 'worker' },
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names a fixture needs from this pattern
  async ({}, { onCleanup }): Promise<StartProgram> => {
    const bundling = `import { bundle } from ${JSON.stringify(bundler)}; await bundle();`;
    await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', bundling]);
    const children = new Set<ChildProcess>();
    onCleanup(() => {
      for (const child of children) child.kill('SIGKILL');
    });
    return (project, argv, env = {}) => {
      const child = spawn(process.execPath, [launcher, ...argv], {
        cwd: project.directory,
        env: { PATH: process.env['PATH'], ...project.env, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      children.add(child);
      const ended = endOf(child).finally(() => children.delete(child));
      return { pid: child.pid ?? 0, ended, kill: (signal) => void child.kill(signal) };
    };
  },
);

const signalNumbers: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };

function endOf(child: ChildProcess): Promise<CliRun> {
  const stdout: string[] = [];
  const stderr: string[] = [];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => stdout.push(text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => stderr.push(text));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) =>
      resolve(cliRun(code ?? 128 + (signalNumbers[signal ?? ''] ?? 0), stdout.join(''), stderr.join(''))),
    );
  });
}
