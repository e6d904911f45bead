import { execFile } from 'node:child_process';
import { cpus, loadavg, release, totalmem, type } from 'node:os';
import { promisify } from 'node:util';

/** What the figures were taken on. */
export function machine() {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    kernel: `${type()} ${release()}`,
  };
}

/** The load averages of one, five and fifteen minutes; what else runs here shows in them. */
export function load() {
  return loadavg().map((value) => Number(value.toFixed(2)));
}

/** The commit that was measured, with a mark when files differ from it; null outside a checkout. */
export async function commitOf(root) {
  const git = async (...args) => (await promisify(execFile)('git', args, { cwd: root })).stdout.trim();
  try {
    const changed = (await git('status', '--porcelain', '--', 'src', 'scripts', 'bin')) !== '';
    return `${await git('rev-parse', '--short', 'HEAD')}${changed ? ' with changes' : ''}`;
  } catch {
    return null;
  }
}
