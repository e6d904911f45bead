import { type Command, CommanderError } from 'commander';
import { redactText, withoutSecrets } from '../config/redact.ts';
import { catalogue, PulseError } from '../errors.ts';
import { inChunks } from './chunks.ts';
import { cleanTexts } from './clean.ts';
import type { Invocation } from './cli.ts';
import { type Envelope, failureEnvelope } from './envelope.ts';
import { globalFlags, isTyped, mergedFlags } from './global-flags.ts';
import type { Outcome } from './outcome.ts';
import { buildProgram } from './program.ts';
import { type ProgressSink, progressSink } from './progress.ts';
import { renderError } from './render/error.ts';
import type { Runtime } from './runtime.ts';
import { serialize } from './serialize.ts';
import { styleFor } from './style.ts';

/**
 * Runs one command line and gives the exit code. Whatever happens ends here: results on standard output, failures
 * on standard error, or one JSON document for both.
 */
export async function run(runtime: Runtime): Promise<number> {
  // Parsing may fail, and how to tell that must be known before.
  const wantsJson = isTyped(runtime.argv, '--json');
  const noColour = isTyped(runtime.argv, '--no-color');
  const secrets = new Set<string>();
  const state: { exitCode: number; command: string | null; progress: ProgressSink | null; help: string } = {
    exitCode: 0,
    command: null,
    progress: null,
    help: 'pulse-migrate --help',
  };
  const clean = (text: string) => redactText(text, [...secrets]);

  const program = buildProgram(runtime, (command, action) => {
    command.action(async (...args: unknown[]) => {
      state.command = commandPath(command);
      const flags = mergedFlags(command);
      const given = globalFlags(flags);
      // Where another flag has taken --json for its value, the failure that follows is a document, and so is all else.
      const global = { ...given, json: given.json || wantsJson };
      const progress = progressSink(runtime, global);
      state.progress = progress;
      const invocation: Invocation = {
        runtime,
        command: state.command,
        global,
        flags,
        progress: { ...progress, emit: (event) => progress.emit(cleanTexts(event, clean)) },
        style: styleFor(runtime.stdout, runtime.env, global.noColour),
        secrets,
      };
      const outcome = await action(
        invocation,
        args
          .slice(0, -2)
          .flat()
          .filter((arg) => arg !== undefined)
          .map(String),
      );
      progress.stop();
      state.exitCode = finish(runtime, outcome, {
        json: global.json,
        command: state.command,
        warnings: progress.warnings,
        clean: outcome.isScript ? (text) => withoutSecrets(text, [...secrets]) : clean,
      });
    });
  });

  for (const command of allCommands(program)) {
    command.exitOverride((error) => {
      state.help = helpOf(command);
      throw error;
    });
  }

  try {
    await program.parseAsync([...runtime.argv], { from: 'user' });
    return state.exitCode;
  } catch (thrown) {
    state.progress?.stop();
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return 0;
    // Without a command the help was printed, which says more than an error would.
    if (isHelpInstead(thrown) && !wantsJson) return catalogue.usage.exitCode;
    const error = asPulseError(thrown, runtime, state.help);
    const warnings = state.progress?.warnings ?? [];
    if (wantsJson) {
      const envelope = failureEnvelope(state.command, error, error.exitCode, warnings);
      for (const chunk of inChunks(serialize(envelope, clean))) runtime.stdout.write(chunk);
    } else {
      const style = styleFor(runtime.stderr, runtime.env, noColour);
      runtime.stderr.write(clean(renderError(error, style, runtime.stderr.columns)));
      if (error.code === 'bug' && error.cause instanceof Error)
        runtime.stderr.write(clean(`${error.cause.stack ?? ''}\n`));
    }
    return error.exitCode;
  }
}

interface Ending {
  readonly json: boolean;
  readonly command: string | null;
  readonly warnings: readonly string[];
  readonly clean: (text: string) => string;
}

function finish(runtime: Runtime, outcome: Outcome, ending: Ending): number {
  const exitCode = outcome.no === undefined ? 0 : 1;
  if (!ending.json) {
    const { text } = outcome;
    for (const chunk of typeof text === 'string' ? [text] : inChunks(text)) {
      if (chunk !== '') runtime.stdout.write(ending.clean(chunk));
    }
    return exitCode;
  }
  const warnings = ending.warnings.length > 0 ? { warnings: ending.warnings } : {};
  const envelope: Envelope =
    outcome.no === undefined
      ? { formatVersion: 1, command: ending.command, ok: true, exitCode, result: outcome.result, ...warnings }
      : {
          formatVersion: 1,
          command: ending.command,
          ok: false,
          exitCode,
          error: outcome.no,
          result: outcome.result,
          ...warnings,
        };
  for (const chunk of inChunks(serialize(envelope, ending.clean))) runtime.stdout.write(chunk);
  return exitCode;
}

/** `partition create-next`, `up`. */
function commandPath(command: { name(): string; parent: { name(): string; parent: unknown } | null }): string {
  const parent = command.parent;
  return parent === null || parent.parent === null ? command.name() : `${parent.name()} ${command.name()}`;
}

/** What to type to read about a command. */
function helpOf(command: Command): string {
  return command.parent === null ? 'pulse-migrate --help' : `pulse-migrate ${commandPath(command)} --help`;
}

function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}

function asPulseError(thrown: unknown, runtime: Runtime, help: string): PulseError {
  if (runtime.signal.aborted && runtime.signal.reason instanceof PulseError) {
    // What the command knows about its state goes with the interruption.
    return thrown instanceof PulseError && (thrown.result !== undefined || thrown.now.length > 0)
      ? runtime.signal.reason.withResult(thrown.result, thrown.now)
      : runtime.signal.reason;
  }
  if (thrown instanceof PulseError) return thrown;
  if (isHelpInstead(thrown)) return new PulseError('usage', 'no command is named', { hint: help });
  if (thrown instanceof CommanderError) {
    const [message, ...rest] = thrown.message.replace(/^error: /, '').split('\n');
    const suggestion = rest.join(' ').match(/Did you mean (.+)\?/)?.[1];
    return new PulseError('usage', message ?? 'the command line is not understood', {
      hint: suggestion === undefined ? help : `did you mean ${suggestion}? All of them: ${help}`,
    });
  }
  return bugFrom(thrown);
}

/** Commander's way to end where a command is missing. */
function isHelpInstead(thrown: unknown): boolean {
  return thrown instanceof CommanderError && thrown.code === 'commander.help' && thrown.exitCode !== 0;
}

/** Whatever is thrown and is not a failure a user can cause. */
export function bugFrom(thrown: unknown): PulseError {
  const message = thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
  return new PulseError('bug', message, { cause: thrown });
}
