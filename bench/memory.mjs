import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { runWell } from './run-program.mjs';

const sampleMs = 50;

/** Memory is read from /proc; elsewhere those rows are left out. */
export const canReadMemory = existsSync('/proc/self/status');

/** A line of /proc/PID/status in MiB; null when the process is gone. */
function statusMiB(pid, name) {
  try {
    const found = new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
    return found === null ? null : Number(found[1]) / 1024;
  } catch {
    return null;
  }
}

/** By GNU time, which gets the peak from the kernel when the program has ended. */
async function peakByTime(command) {
  const path = join(command.workDirectory, `peak-${randomBytes(4).toString('hex')}`);
  await runWell({ ...command, file: 'time', args: ['-f', '%M', '-o', path, command.file, ...command.args] });
  const peak = Number(await readFile(path, 'utf8')) / 1024;
  await rm(path);
  return peak;
}

/** By looking without a pause until the program is gone, which misses its last instants on a busy machine. */
async function peakByLooking(command) {
  let peak = 0;
  await runWell(command, (pid) => {
    // A process that has ended but was not waited for has no such line any more, which ends the loop.
    for (let now = statusMiB(pid, 'VmHWM'); now !== null; now = statusMiB(pid, 'VmHWM')) peak = now;
  });
  return peak;
}

/** How the peak memory of a short program is had here, in MiB, in runs that are not timed; null when there is no way. */
export async function findPeakMeter() {
  const answer = await promisify(execFile)('time', ['--version']).catch(() => null);
  // GNU time before 1.9 writes its version to standard error.
  if (answer !== null && /GNU/i.test(answer.stdout + answer.stderr)) return peakByTime;
  return canReadMemory ? peakByLooking : null;
}

/** What every backend of a database holds for itself alone, shared buffers not counted. */
function backendsMiB(postmaster, database) {
  let children;
  try {
    children = readFileSync(`/proc/${postmaster}/task/${postmaster}/children`, 'latin1').trim().split(' ');
  } catch {
    return [];
  }
  return children.map((pid) => {
    try {
      const title = readFileSync(`/proc/${pid}/cmdline`, 'latin1');
      // A worker of autovacuum names the database too, and is none of the client's doing.
      if (!title.includes(` ${database} `) || title.includes('autovacuum')) return 0;
    } catch {
      return 0;
    }
    return statusMiB(pid, 'RssAnon') ?? 0;
  });
}

/**
 * Runs a command and looks every 50 ms at its peak and at the backends of its database:
 * `{ seconds, clientMiB, backendMiB }`, the latter of the largest backend.
 */
export async function runWithMemory(command, { postmaster, database }) {
  let [clientMiB, backendMiB] = [0, 0];
  let timer;
  const sample = (pid) => {
    clientMiB = Math.max(clientMiB, statusMiB(pid, 'VmHWM') ?? 0);
    if (postmaster !== null) backendMiB = Math.max(backendMiB, ...backendsMiB(postmaster, database));
  };
  try {
    const { seconds } = await runWell(command, (pid) => {
      timer = setInterval(() => sample(pid), sampleMs);
    });
    return { seconds, clientMiB, backendMiB };
  } finally {
    clearInterval(timer);
  }
}
