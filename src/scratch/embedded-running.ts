import { execFile } from 'node:child_process';
import { readFile, readlink } from 'node:fs/promises';
import { basename } from 'node:path';
import { promisify } from 'node:util';

/** `ps` as every Unix has it, for systems without /proc; empty when there is no such program running. */
async function ps(pid: number, column: string): Promise<string> {
  const { stdout } = await promisify(execFile)('ps', ['-ww', '-o', `${column}=`, '-p', String(pid)], {
    env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' },
  }).catch(() => ({ stdout: '' }));
  return stdout.trim();
}

/**
 * When the program with this id was started, in the system's own terms, or null when there is none. Id and start
 * together never come again, an id alone does: a lock must not be held by whoever inherited its holder's number.
 */
export async function startStamp(pid: number): Promise<string | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => null);
  if (stat !== null) {
    // The second field is a name that may hold anything; the fields counted here follow its last bracket.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? null);
  }
  if (await hasProc()) return null;
  return (await ps(pid, 'lstart')) || null;
}

async function hasProc(): Promise<boolean> {
  return readFile('/proc/self/stat').then(
    () => true,
    () => false,
  );
}

/** Whether a program with this id runs; one that ended and was not yet waited for does not. */
export async function isRunning(pid: number): Promise<boolean> {
  return (await startStamp(pid)) !== null;
}

/**
 * Whether `pid` is the server of `dataDirectory`, and not a stranger that was given the number of a dead one. A server
 * started by hand may spell the directory otherwise, but always makes it its working directory; that link is closed to a
 * root without the capability SYS_PTRACE, so the arguments are asked first.
 */
export async function isServerOf(pid: number, dataDirectory: string): Promise<boolean> {
  const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => null);
  if (commandLine === null) {
    return !(await hasProc()) && (await ps(pid, 'args')).includes(`/postgres -D ${dataDirectory} `);
  }
  const [program = '', ...args] = commandLine.split('\0');
  if (basename(program) !== 'postgres') return false;
  if (args[args.indexOf('-D') + 1] === dataDirectory) return true;
  return (await readlink(`/proc/${pid}/cwd`).catch(() => null)) === dataDirectory;
}
