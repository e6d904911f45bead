import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { run } from '../../src/cli/run.ts';
import type { OutputStream } from '../../src/cli/runtime.ts';

/** The one document of `--json`, as a script would read it. */
interface Document<Result> {
  readonly formatVersion: number;
  readonly command: string | null;
  readonly ok: boolean;
  readonly exitCode: number;
  readonly error?: {
    readonly code: string;
    readonly message: string;
    readonly hint: string;
    readonly sqlstate?: string;
    readonly detail?: string;
    readonly file?: string;
    readonly line?: number;
    readonly column?: number;
    readonly problems?: readonly { readonly message: string; readonly hint?: string; readonly file?: string }[];
    readonly now?: readonly string[];
  };
  readonly result: Result;
  readonly warnings?: readonly string[];
}

/** What a command line left behind. */
export interface CliRun {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The document on standard output; throws unless standard output is exactly one line of JSON. */
  json<Result = Record<string, unknown>>(): Document<Result>;
}

export interface CliOptions {
  readonly cwd: string;
  /** All that is in the environment besides PATH: nothing of this machine's PG* variables, DATABASE_URL or HOME. */
  readonly env?: Readonly<Record<string, string>>;
  /** Given: standard input is a terminal, and the person there types these lines. */
  readonly stdinAnswers?: readonly string[];
  /** Given: standard output is a terminal with lines of so many characters. */
  readonly stdoutColumns?: number;
  readonly signal?: AbortSignal;
  readonly now?: () => Date;
}

/** Runs a command line through the real command tree, in this process. */
export async function cli(argv: readonly string[], options: CliOptions): Promise<CliRun> {
  const stdout = capture(options.stdoutColumns);
  const stderr = capture();
  const signal = options.signal ?? new AbortController().signal;
  const answers = [...(options.stdinAnswers ?? [])];
  const exitCode = await run({
    argv,
    env: { PATH: process.env['PATH'], ...options.env },
    cwd: options.cwd,
    stdout: stdout.stream,
    stderr: stderr.stream,
    stdinIsTerminal: options.stdinAnswers !== undefined,
    now: options.now ?? (() => new Date()),
    sleep: (milliseconds) => delay(milliseconds, undefined, { signal }).catch(() => signal.throwIfAborted()),
    every: (milliseconds, beat) => {
      const timer = setInterval(beat, milliseconds);
      return () => clearInterval(timer);
    },
    newId: randomUUID,
    chance: Math.random,
    signal,
    ask: async (question) => {
      const answer = answers.shift();
      if (answer === undefined) throw new Error(`nobody answers: ${question}`);
      return answer;
    },
    homeDirectory: null,
    userName: 'tester',
    hostName: 'test-host',
    uid: process.getuid?.() ?? null,
    pid: process.pid,
    temporaryDirectory: tmpdir(),
    platform: process.platform,
    architecture: process.arch,
  });
  return cliRun(exitCode, stdout.text(), stderr.text());
}

/** Gives what a program wrote the shape that tests ask questions of. */
export function cliRun(exitCode: number, stdout: string, stderr: string): CliRun {
  return {
    exitCode,
    stdout,
    stderr,
    json<Result>() {
      if (!/^\{[^\n]*\}\n$/.test(stdout)) throw new Error(`not one line of JSON: ${stdout}\n${stderr}`);
      return JSON.parse(stdout) as Document<Result>;
    },
  };
}

function capture(terminalColumns?: number): { readonly stream: OutputStream; readonly text: () => string } {
  const parts: string[] = [];
  const stream: OutputStream = {
    isTerminal: terminalColumns !== undefined,
    terminal: null,
    columns: terminalColumns ?? 80,
    isGone: false,
    write: (text) => void parts.push(text),
  };
  return { stream, text: () => parts.join('') };
}
