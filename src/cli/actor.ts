import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Actor } from '../ledger/ledger.ts';
import type { Runtime } from './runtime.ts';

/** Who runs the tool, for the ledger: the person, the machine, the CI job and the commit, each where known. */
export async function actorOf(runtime: Runtime): Promise<Actor> {
  const { env } = runtime;
  return {
    osUser: runtime.userName,
    host: runtime.hostName,
    ciJob: first(env, [
      'GITHUB_RUN_ID',
      'CI_JOB_URL',
      'CI_JOB_ID',
      'BUILD_URL',
      'BUILD_TAG',
      'BUILDKITE_BUILD_URL',
      'CIRCLE_BUILD_URL',
    ]),
    gitCommit:
      first(env, ['GITHUB_SHA', 'CI_COMMIT_SHA', 'GIT_COMMIT', 'BUILDKITE_COMMIT', 'CIRCLE_SHA1']) ??
      (await headCommit(runtime.cwd)),
  };
}

function first(env: Runtime['env'], names: readonly string[]): string | null {
  return names.map((name) => env[name]).find((value) => value !== undefined && value !== '') ?? null;
}

/** The commit that is checked out, read from the files themselves: starting git would cost more than the whole command. */
async function headCommit(directory: string): Promise<string | null> {
  try {
    const git = join(directory, '.git');
    const head = (await readFile(join(git, 'HEAD'), 'utf8')).trim();
    if (!head.startsWith('ref: ')) return head;
    const reference = head.slice('ref: '.length);
    const loose = await readFile(join(git, reference), 'utf8').catch(() => null);
    if (loose !== null) return loose.trim();
    const packed = await readFile(join(git, 'packed-refs'), 'utf8');
    return (
      packed
        .split('\n')
        .find((line) => line.endsWith(` ${reference}`))
        ?.split(' ')[0] ?? null
    );
  } catch {
    return null;
  }
}
