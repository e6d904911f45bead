import { Command } from 'commander';
import { exitCodes } from '../exit-codes.ts';
import { toolVersion } from '../version.ts';
import type { AddAction } from './cli.ts';
import { registerBaseline } from './commands/baseline.ts';
import { registerCompletion } from './commands/completion.ts';
import { registerDiff } from './commands/diff.ts';
import { registerDoctor } from './commands/doctor.ts';
import { registerDown } from './commands/down.ts';
import { registerEmbedded } from './commands/embedded.ts';
import { registerGoTo, registerRedo } from './commands/go-to.ts';
import { registerHistory } from './commands/history.ts';
import { registerMonitor } from './commands/monitor.ts';
import { registerNew } from './commands/new.ts';
import { registerPartition } from './commands/partition.ts';
import { registerRepair } from './commands/repair.ts';
import { registerReport } from './commands/report.ts';
import { registerRetention } from './commands/retention.ts';
import { registerStatus } from './commands/status.ts';
import { registerUp } from './commands/up.ts';
import { examples } from './examples.ts';
import { addGlobalFlags, isTyped } from './global-flags.ts';
import type { Runtime } from './runtime.ts';

const registrations = {
  up: registerUp,
  down: registerDown,
  redo: registerRedo,
  goto: registerGoTo,
  status: registerStatus,
  history: registerHistory,
  diff: registerDiff,
  new: registerNew,
  baseline: registerBaseline,
  repair: registerRepair,
  doctor: registerDoctor,
  partition: registerPartition,
  retention: registerRetention,
  report: registerReport,
  monitor: registerMonitor,
  embedded: registerEmbedded,
  completion: registerCompletion,
};

/** The command tree. Defines, and loads nothing that a usage error or `--help` would not need. */
export function buildProgram(runtime: Runtime, addAction: AddAction): Command {
  const program = new Command('pulse-migrate');
  program
    .description('Schema migrations for PostgreSQL 15 and later.')
    .version(toolVersion, '--version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show help for a command')
    .usage('<command> [flags]')
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => runtime.stdout.write(text),
      // Usage errors are told by run(), in one form with all others.
      outputError: () => {},
      // What is left is the help, in place of a command that is missing; a program gets a document instead.
      writeErr: (text) => (isTyped(runtime.argv, '--json') ? undefined : runtime.stdout.write(text)),
      getOutHelpWidth: () => Math.min(runtime.stdout.columns, 100),
      getErrHelpWidth: () => Math.min(runtime.stdout.columns, 100),
    })
    .configureHelp({
      showGlobalOptions: true,
      // Every command takes flags, so a word that says so says nothing.
      subcommandTerm: (command) =>
        [
          command.name(),
          ...command.registeredArguments.map((argument) =>
            argument.required ? `<${argument.name()}>` : `[${argument.name()}]`,
          ),
        ].join(' '),
    });
  addGlobalFlags(program, false);
  examples(program, [
    ['pulse-migrate up --embedded', 'apply all migrations to a PostgreSQL of its own'],
    ['pulse-migrate doctor', 'may a deploy go?'],
    ['pulse-migrate up', 'apply what is pending'],
    ['pulse-migrate down --i-know', 'undo the last migration'],
    ['pulse-migrate status --json', 'what is applied, for a script'],
  ]);
  program.addHelpText(
    'after',
    `\nExit codes:\n${exitCodes.map(([code, meaning]) => `  ${code.padEnd(14)}${meaning}`).join('\n')}`,
  );
  const only = onlyCommand(runtime.argv);
  for (const [name, register] of Object.entries(registrations)) {
    if (only === null || name === only) register(program, addAction);
  }
  for (const command of [program, ...program.commands]) command.hook('preSubcommand', takeGlobalFlags);
  return program;
}

/**
 * The name of a command where it comes first: nothing is said of any other then, except by the one that lists them all.
 * To define each is a good part of what it takes to run one.
 */
function onlyCommand([first = '']: readonly string[]): string | null {
  return first !== 'completion' && Object.hasOwn(registrations, first) ? first : null;
}

/** Only the command that is typed is given the flags: for all of them that is a fifth of what it takes to say `--help`. */
function takeGlobalFlags(_command: Command, typed: Command): void {
  addGlobalFlags(typed, true);
}
