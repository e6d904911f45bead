import { homedir, hostname, tmpdir, userInfo } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { redactText } from '../config/redact.ts';
import { PulseError } from '../errors.ts';
import { lazyOutputStream, outputStream } from './output-stream.ts';
import { bugFrom, run } from './run.ts';
import type { OutputStream, Runtime } from './runtime.ts';

/** The only place that reads the process. */
export async function main(): Promise<void> {
  // Arguments can be read by everybody on the machine; a title overwrites them, a password in a URL included.
  process.title = 'pulse-migrate';
  const controller = new AbortController();
  stopAtSignals(controller);
  const ended = stopAtBugs(controller);
  process.exitCode = await run(realRuntime(controller.signal));
  ended();
}

function realRuntime(signal: AbortSignal): Runtime {
  return {
    argv: process.argv.slice(2),
    env: process.env,
    cwd: process.cwd(),
    stdout: standardOutput(),
    stderr: standardError,
    get stdinIsTerminal() {
      return process.stdin.isTTY === true;
    },
    now: () => new Date(),
    sleep: (milliseconds) => delay(milliseconds, undefined, { signal }).catch(() => signal.throwIfAborted()),
    every: (milliseconds, beat) => {
      const timer = setInterval(beat, milliseconds).unref();
      return () => clearInterval(timer);
    },
    newId: () => crypto.randomUUID(),
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

const standardError = lazyOutputStream(() => outputStream(process.stderr));

/** Standard output, whose end is told on standard error. */
export function standardOutput(): OutputStream {
  return outputStream(process.stdout, (why) => standardError.write(`standard output is incomplete: ${why}\n`));
}

/** A uid without a passwd entry (a container) has no name. */
function userName(): string | null {
  try {
    return userInfo().username;
  } catch {
    return null;
  }
}

const exitCodes = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** The first signal asks everything to stop in good order; the second one leaves at once. */
function stopAtSignals(controller: AbortController): void {
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
}

/** How long the run has to end in good order after something was thrown that nobody caught, milliseconds. */
const timeToEndMs = 10_000;

/**
 * What is thrown where nobody catches it stops the run as a signal does, so that it cancels, rolls back and ends as a
 * bug. What it tore may be what the run waits for: then the process leaves when the time is over. Gives what to call
 * when the run has ended: its result stands, and a bug behind it is told and no more.
 */
function stopAtBugs(controller: AbortController): () => void {
  let deadline: NodeJS.Timeout | undefined;
  let ended = false;
  // A rejection that nobody takes comes here too.
  process.on('uncaughtException', (thrown) => {
    const bug = bugFrom(thrown);
    const tell = () => process.stderr.write(`${redactText(`bug: ${bug.message}`, [])}\n`);
    if (ended) {
      tell();
      return;
    }
    controller.abort(bug);
    deadline ??= setTimeout(() => {
      tell();
      process.exit(bug.exitCode);
    }, timeToEndMs);
  });
  return () => {
    ended = true;
    clearTimeout(deadline);
  };
}

async function ask(question: string, signal: AbortSignal): Promise<string> {
  const { createInterface } = await import('node:readline/promises');
  // Not as a terminal: raw mode would take Ctrl-C for itself and not come back after Ctrl-Z and fg.
  const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: false });
  try {
    const ended = new Promise<never>((_resolve, reject) => lines.once('close', () => reject(noAnswer())));
    return await Promise.race([lines.question(question, { signal }), ended]);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    lines.close();
  }
}

/** Ctrl-D: whoever was asked has gone. */
function noAnswer(): PulseError {
  return new PulseError('confirmation-needed', 'the question was not answered; nothing was changed', {
    hint: 'answer it, or run the command with the flag that does: --backup DIR, --backup-done or --yes',
  });
}
