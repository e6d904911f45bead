import { randomUUID } from 'node:crypto';
import { homedir, hostname, tmpdir, userInfo } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { PulseError } from '../errors.ts';
import { run } from './run.ts';
import type { OutputStream, Runtime } from './runtime.ts';

/** The only place that reads the process. */
export async function main(): Promise<void> {
  // Arguments can be read by everybody on the machine; a title overwrites them, a password in a URL included.
  process.title = 'pulse-migrate';
  const signal = interruptions();
  process.exitCode = await run(realRuntime(signal));
}

function realRuntime(signal: AbortSignal): Runtime {
  return {
    argv: process.argv.slice(2),
    env: process.env,
    cwd: process.cwd(),
    stdout: outputStream(process.stdout),
    stderr: outputStream(process.stderr),
    stdinIsTerminal: process.stdin.isTTY === true,
    now: () => new Date(),
    sleep: (milliseconds) => delay(milliseconds, undefined, { signal }).catch(() => signal.throwIfAborted()),
    every: (milliseconds, beat) => {
      const timer = setInterval(beat, milliseconds).unref();
      return () => clearInterval(timer);
    },
    newId: randomUUID,
    chance: Math.random,
    signal,
    ask: (question) => ask(question, signal),
    homeDirectory: homedir() || null,
    userName: userName(),
    hostName: hostname(),
    uid: process.getuid?.() ?? null,
    pid: process.pid,
    temporaryDirectory: tmpdir(),
    platform: process.platform,
    architecture: process.arch,
  };
}

/** A uid without a passwd entry (a container) has no name. */
function userName(): string | null {
  try {
    return userInfo().username;
  } catch {
    return null;
  }
}

function outputStream(stream: NodeJS.WriteStream): OutputStream {
  // A reader that went away (head, a closed pager) must not change what happens in the database.
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  return {
    isTerminal: stream.isTTY === true,
    terminal: stream.isTTY === true ? stream : null,
    columns: stream.columns || 80,
    write: (text) => {
      stream.write(text);
    },
  };
}

const exitCodes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** The first signal asks everything to stop in good order; the second one leaves at once. */
function interruptions(): AbortSignal {
  const controller = new AbortController();
  for (const [name, exitCode] of Object.entries(exitCodes)) {
    process.on(name, () => {
      if (controller.signal.aborted) {
        process.stderr.write(
          `${name} again: leaving at once; a statement may still be running on the server, pulse-migrate status tells what became of it\n`,
        );
        process.exit(exitCode);
      }
      controller.abort(new PulseError('interrupted', `interrupted by ${name}`, { exitCode }));
    });
  }
  return controller.signal;
}

async function ask(question: string, signal: AbortSignal): Promise<string> {
  const { createInterface } = await import('node:readline/promises');
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  // readline takes Ctrl-C for itself while it waits for a line.
  lines.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
  try {
    return await lines.question(question, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    lines.close();
  }
}
