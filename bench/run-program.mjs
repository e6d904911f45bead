import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Unable } from './rounds.mjs';

/** Nothing measured here may take longer. */
const limitMs = 900_000;

/** The environment of every program: no more of this machine's than PATH, so that no setting of its user has a say. */
export function environmentIn(workDirectory) {
  return { PATH: process.env.PATH, HOME: workDirectory, LANG: 'C.UTF-8', NO_COLOR: '1' };
}

function ended(child) {
  return new Promise((resolve, reject) => {
    const deadline = setTimeout(() => child.kill('SIGKILL'), limitMs);
    child.once('error', (error) => {
      clearTimeout(deadline);
      reject(error);
    });
    child.once('exit', (code, signal) => {
      clearTimeout(deadline);
      resolve({ exitCode: code ?? signal, at: performance.now() });
    });
  });
}

/** What a failed command said: in short for the report, where no path of this machine may stand, and its end. */
function unable({ args, workDirectory }, exitCode, output) {
  const lines = output.trim().split('\n');
  const said = lines.find((line) => /\berror\b|\d{5}:/i.test(line)) ?? lines.at(-1) ?? '';
  const short = said
    .replaceAll(workDirectory, '')
    .replaceAll(/(\/[\w.@-]+){2,}\//g, '')
    .trim();
  return new Unable(`exit code ${exitCode}, ${short.slice(0, 160)}`, [args.join(' '), ...lines.slice(-12)].join('\n'));
}

/**
 * Runs a command to its end: `{ seconds, exitCode, output }`. What it writes goes to a file, so that nobody has to read
 * beside it. `watch` is called with the process id once it runs.
 */
export async function runToEnd({ file, args, cwd, env, workDirectory }, watch = () => undefined) {
  const path = join(workDirectory, `output-${randomBytes(4).toString('hex')}`);
  const log = await open(path, 'w');
  try {
    const began = performance.now();
    const child = spawn(file, args, { cwd, env, stdio: ['ignore', log.fd, log.fd] });
    const end = ended(child);
    watch(child.pid);
    const { exitCode, at } = await end;
    return { seconds: (at - began) / 1000, exitCode, output: await readFile(path, 'utf8') };
  } finally {
    await log.close();
    await rm(path);
  }
}

/** The same for a command that has to succeed. @throws {Unable} With its last words. */
export async function runWell(command, watch) {
  const result = await runToEnd(command, watch);
  if (result.exitCode === 0) return result;
  throw unable(command, result.exitCode, result.output);
}

/** Wall and CPU seconds (user and system) of a command, as the shell tells them: `{ seconds, cpu }`. @throws {Unable} */
export async function timesOf(command) {
  const { file, args, workDirectory } = command;
  const path = join(workDirectory, `output-${randomBytes(4).toString('hex')}`);
  const script = 'TIMEFORMAT="%3R %3U %3S"; out=$1; shift; time "$@" >"$out" 2>&1';
  const timed = { ...command, file: 'bash', args: ['-c', script, 'bash', path, file, ...args] };
  try {
    const { exitCode, output } = await runToEnd(timed);
    if (exitCode !== 0) throw unable(command, exitCode, await readFile(path, 'utf8'));
    const [real, user, system] = output.split(' ').map((text) => Number(text.replace(',', '.')));
    return { seconds: real, cpu: user + system };
  } finally {
    await rm(path, { force: true });
  }
}
