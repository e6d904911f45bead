import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Actor } from '../ledger/ledger.ts';
import type { Runtime } from './runtime.ts';

/** Who runs the tool, for the ledger: the person, the machine, the CI job and the commit, each where known. */
export function actorOf(runtime: Runtime): Actor {
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
      headCommit(runtime.cwd),
  };
}

function first(env: Runtime['env'], names: readonly string[]): string | null {
  return names.map((name) => env[name]).find((value) => value !== undefined && value !== '') ?? null;
}

/** The commit that is checked out, read from the files themselves: starting git would cost more than the whole command. */
function headCommit(directory: string): string | null {
  const git = join(directory, '.git');
  const head = textOf(join(git, 'HEAD'))?.trim() ?? null;
  if (head === null || !head.startsWith('ref: ')) return head;
  const reference = head.slice('ref: '.length);
  const loose = textOf(join(git, reference));
  if (loose !== null) return loose.trim();
  const packed = textOf(join(git, 'packed-refs')) ?? '';
  const line = packed.split('\n').find((candidate) => candidate.endsWith(` ${reference}`));
  return line?.split(' ')[0] ?? null;
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}
