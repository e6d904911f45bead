import { execFile } from 'node:child_process';
import { cp, mkdtemp } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { inject } from 'vitest';
import { type CliRun, cliRun } from './cli.ts';

/** The directory of this checkout. */
export const root = join(import.meta.dirname, '..', '..');

/** What a clone does not have: the names of .gitignore, and git's own. */
const absent = new Set(['.git', '.pulse-migrate', 'coverage', 'dist', 'node_modules']);

/** Copies the checkout as a fresh clone would have it, with what is not committed yet. */
export async function copyCheckout(target: string): Promise<void> {
  const belongs = (path: string) => path === root || !(absent.has(basename(path)) || path.endsWith('.tgz'));
  await cp(root, target, { recursive: true, filter: belongs });
}

/** A directory that is deleted with the run; its name holds a space. */
export async function openDirectory(): Promise<string> {
  return mkdtemp(join(inject('runDirectory'), 'some place '));
}

/** This process's environment without what npm adds for the program it runs, which would reach another npm below it. */
export function environmentForNpm(): Record<string, string> {
  const own = /^(?:INIT_CWD$|npm_(?!config_(?:registry|cache|userconfig|globalconfig)$))/;
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      value === undefined || own.test(name) ? [] : [[name, value]],
    ),
  );
}

/** Runs a program to its end. */
export function runToEnd(
  program: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
): Promise<CliRun> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { ...options, maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (error !== null && typeof error.code !== 'number') return reject(error);
      resolve(cliRun(typeof error?.code === 'number' ? error.code : 0, stdout, stderr));
    });
  });
}

/** Runs a program that has to end with 0; throws with what it printed when it does not. */
export async function runWell(...call: Parameters<typeof runToEnd>): Promise<CliRun> {
  const run = await runToEnd(...call);
  if (run.exitCode === 0) return run;
  throw new Error(`${call[0]} ${call[1].join(' ')} ended with ${run.exitCode}:\n${run.stdout}\n${run.stderr}`);
}
