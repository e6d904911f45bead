import { chmodSync, closeSync, constants, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { exitCodes } from '../../../src/exit-codes.ts';
import { type CliRun, cli } from '../../support/cli.ts';
import { asOrdinaryUser } from '../../support/ordinary-user.ts';
import { FuzzFault } from './batches.ts';
import { type Input, layOut } from './input.ts';
import { canary } from './values.ts';

/** Far longer than any command takes that waits for nothing. */
const deadlineMs = 30_000;

const documented = new Set(exitCodes.flatMap(([code]) => code.split(', ').map(Number)));

/** How many inputs there were, and how many ended with which exit code (`exit 2`). */
export type InputCounts = Record<string, number>;

function count(counts: InputCounts, name: string): void {
  counts[name] = (counts[name] ?? 0) + 1;
}

/**
 * Runs a command line on an input laid out in a directory of its own, and judges how it ended.
 * @throws {FuzzFault} for whatever no input may lead to.
 */
export async function checkInput(
  below: string,
  input: Input,
  counts: InputCounts,
  env: Readonly<Record<string, string>> = {},
): Promise<CliRun> {
  const directory = mkdtempSync(join(below, 'fuzz-'));
  // An ordinary user has to get at it.
  chmodSync(directory, 0o755);
  try {
    const project = layOut(directory, input);
    const before = readFileSync(join(project, 'files', 'elsewhere.sql'), 'utf8');
    const run = await runWithDeadline(project, { ...input, env: { ...input.env, ...env } });
    count(counts, 'inputs');
    count(counts, `exit ${run.exitCode}`);
    judge(input, run);
    if (readdirSync(directory).join() !== 'project')
      throw new FuzzFault('left behind', `beside the project: ${readdirSync(directory).join()}`);
    if (readFileSync(join(project, 'files', 'elsewhere.sql'), 'utf8') !== before)
      throw new FuzzFault('untrue', 'a file that is none of ours was changed');
    if (readdirSync('.').length > 0)
      throw new FuzzFault('left behind', `where the process runs: ${readdirSync('.').join()}`);
    return run;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function runWithDeadline(cwd: string, input: Input): Promise<CliRun> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      controller.abort(new Error('the deadline of the trial'));
      // Whoever waits for a pipe is let go, or the next trials would lack the threads it holds.
      releasePipes(cwd);
      reject(new FuzzFault('stuck', `no end within ${deadlineMs} ms`));
    }, deadlineMs);
  });
  const work = () =>
    cli(input.argv, {
      cwd,
      env: input.env,
      signal: controller.signal,
      ...(input.answers !== null && { stdinAnswers: input.answers }),
    });
  try {
    return await Promise.race([input.ordinaryUser ? asOrdinaryUser(work) : work(), late]);
  } finally {
    clearTimeout(timer);
  }
}

function releasePipes(directory: string): void {
  for (const entry of readdirSync(directory, { withFileTypes: true, recursive: true })) {
    if (entry.isFIFO())
      closeSync(openSync(join(entry.parentPath, entry.name), constants.O_RDWR | constants.O_NONBLOCK));
  }
}

function judge({ argv }: Input, { exitCode, stdout, stderr }: CliRun): void {
  const shown = `exit ${exitCode}\nstdout: ${stdout.slice(0, 600)}\nstderr: ${stderr.slice(0, 1500)}`;
  const fail = (fault: FuzzFault['fault'], what: string): never => {
    throw new FuzzFault(fault, `${what}; ${shown}`);
  };
  const both = stdout + stderr;
  if (exitCode === 70 || /\n\s+at .+:\d+:\d+|node:internal/.test(both)) fail('uncaught', 'a bug was told');
  if (!documented.has(exitCode)) fail('untrue', 'an exit code that is not documented');
  if (sharesSecret(both)) fail('leaked', 'the password was shown');
  if (isHelp(argv, stdout)) return;
  if (asksForJson(argv)) {
    if (!/^\{[^\n]*\}\n$/.test(stdout)) fail('untrue', 'not one line of JSON');
    const document = JSON.parse(stdout) as { exitCode?: unknown; ok?: unknown };
    if (document.exitCode !== exitCode || document.ok !== (exitCode === 0))
      fail('untrue', 'the document says otherwise');
  } else if (exitCode > 1 ? stderr.trim() === '' : exitCode === 1 && both.trim() === '' && !argv.includes('--quiet')) {
    fail('untrue', 'a failure without a word');
  }
}

const shownAtMost = 6;

/** Six letters of the password in a row are too many, whatever a mistake made of the rest. */
function sharesSecret(text: string): boolean {
  return Array.from({ length: canary.length - shownAtMost + 1 }, (_none, at) =>
    canary.slice(at, at + shownAtMost),
  ).some((part) => text.includes(part));
}

/** What follows `--` are words, not flags. */
function asksForJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return (end < 0 ? argv : argv.slice(0, end)).includes('--json');
}

/** The help and the version are what they are, with --json too. */
function isHelp(argv: readonly string[], stdout: string): boolean {
  const asked = argv.some((word) => ['help', '--help', '-h', '--version'].includes(word));
  return /^\d+\.\d+\.\d+\n$/.test(stdout) || (/^(?:Examples:\n|Usage: )/.test(stdout) && (asked || !asksForJson(argv)));
}
