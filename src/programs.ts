/** Programs of the operating system: the clients of PostgreSQL and the operator's own commands. */
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { kill as sendSignal } from 'node:process';

/**
 * Runs a program and gives its output; handed in, so that a check can be tried with another program. Never rejects:
 * a program that cannot be started ends with 127 (126 when it may not be run), one that takes too long with 124, as
 * in a shell.
 */
export type RunProgram = (
  file: string,
  args: readonly string[],
  options?: { readonly shell?: boolean; readonly env?: Readonly<Record<string, string>>; readonly timeoutMs?: number },
) => Promise<ProgramOutput>;

/** What a program said, and how it ended. */
interface ProgramOutput {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a program ended; one of the two is null. */
export interface ProgramEnd {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The last part of what it wrote to standard error. */
  readonly stderr: string;
}

export interface RunningProgram {
  readonly child: ChildProcess;
  /** Resolves when the program is gone and its output is read; never rejects. */
  readonly ended: Promise<ProgramEnd>;
}

export interface ProgramOptions {
  /** The whole environment of the program: nothing is added. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdio: StdioOptions;
  /** Asks the program to end, and kills it when it has not after five seconds. */
  readonly signal?: AbortSignal;
}

const graceMs = 5_000;
const keptCharacters = 64 * 1024;

/** Starts a program without a shell. One that cannot be started ends with exit code 127 or 126. */
export function startProgram(file: string, args: readonly string[], options: ProgramOptions): RunningProgram {
  const child = spawn(file, args, { env: options.env, stdio: options.stdio });
  const stderr = tailOf(child.stderr);
  const ended = endOf(child, stderr, () => isThere(file, options.env?.['PATH']));
  const { signal } = options;
  if (signal === undefined) return { child, ended };
  let kill: NodeJS.Timeout | undefined;
  const stop = () => {
    child.kill('SIGTERM');
    kill = setTimeout(() => child.kill('SIGKILL'), graceMs);
  };
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  const released = ended.finally(() => {
    signal.removeEventListener('abort', stop);
    clearTimeout(kill);
  });
  return { child, ended: released };
}

/** A runner with `environment` as the base of what its programs see; `signal` ends them. */
export function programRunner(
  environment: Readonly<Record<string, string | undefined>>,
  signal?: AbortSignal,
): RunProgram {
  return async (file, args, options = {}) => {
    // A group of its own: a shell's children would keep the pipes open after the shell was killed.
    const env = { ...environment, ...options.env };
    const child = spawn(file, args, {
      env,
      shell: options.shell ?? false,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const stdout = tailOf(child.stdout);
    let late = false;
    const deadline =
      options.timeoutMs === undefined
        ? undefined
        : setTimeout(() => {
            late = true;
            killGroup(child);
          }, options.timeoutMs);
    const stop = () => killGroup(child);
    if (signal?.aborted === true) stop();
    else signal?.addEventListener('abort', stop, { once: true });
    const end = await endOf(child, tailOf(child.stderr), () => isThere(file, env.PATH));
    clearTimeout(deadline);
    signal?.removeEventListener('abort', stop);
    if (late) return { exitCode: 124, stdout: stdout(), stderr: `no answer within ${options.timeoutMs} ms` };
    return { exitCode: end.exitCode ?? 128, stdout: stdout(), stderr: end.stderr || (end.signal ?? '') };
  };
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    sendSignal(-child.pid, 'SIGKILL');
  } catch {
    // It ended by itself between the deadline and now.
  }
}

/** Collects what a stream says; only the end is kept, so that a talkative program cannot fill the memory. */
function tailOf(stream: NodeJS.ReadableStream | null): () => string {
  let text = '';
  stream?.setEncoding('utf8');
  stream?.on('data', (chunk: string) => {
    text = (text + chunk).slice(-keptCharacters);
  });
  return () => text;
}

/** A directory of PATH that may not be looked into has the kernel refuse what is nowhere, too; a shell says "not found". */
function isThere(file: string, path = ''): boolean {
  return file.includes('/') || path.split(':').some((directory) => existsSync(join(directory, file)));
}

function endOf(child: ChildProcess, stderr: () => string, found: () => boolean): Promise<ProgramEnd> {
  return new Promise((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      // `error` is also sent when a kill fails; then the program did start, and `close` follows.
      if (child.pid !== undefined) return;
      const isMissing = error.code === 'ENOENT' || (error.code === 'EACCES' && !found());
      resolve({ exitCode: isMissing ? 127 : 126, signal: null, stderr: error.message });
    });
    child.once('close', (exitCode, signal) => resolve({ exitCode, signal, stderr: stderr() }));
  });
}
