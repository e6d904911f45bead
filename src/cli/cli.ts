import type { Command } from 'commander';
import type { GlobalFlags } from './global-flags.ts';
import type { Outcome } from './outcome.ts';
import type { ProgressSink } from './progress.ts';
import type { Runtime } from './runtime.ts';
import type { Style } from './style.ts';

/** What a command has to work with. */
export interface Invocation {
  readonly runtime: Runtime;
  /** As typed: `partition create-next`, `up`. */
  readonly command: string;
  readonly global: GlobalFlags;
  /** The command's own flags, as commander parsed them. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly progress: ProgressSink;
  /** For standard output. */
  readonly style: Style;
  /** Words that must not be printed; `openProject` adds the password it finds. */
  readonly secrets: Set<string>;
}

/** Registers a command's action: the only way a command runs, so that every ending goes through one place. */
export type AddAction = (
  command: Command,
  action: (invocation: Invocation, args: readonly string[]) => Promise<Outcome>,
) => void;
