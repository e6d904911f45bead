import type { Emit, ProgressEvent, SettledState } from '../events.ts';
import { visible } from '../visible.ts';
import { bytes, duration } from './render/format.ts';
import { TransferTelling } from './render/transfer.ts';
import type { Runtime } from './runtime.ts';
import { terminalSpinner } from './spinner.ts';
import { type Style, styleFor } from './style.ts';

/** Where events go. `warnings` are kept for the JSON document. */
export interface ProgressSink {
  readonly emit: Emit;
  readonly warnings: readonly string[];
  /** Takes a running spinner off the screen, before anything else is printed. */
  stop(): void;
}

export interface ProgressOptions {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly noColour: boolean;
}

/** How an event is told: `out` is a result, `err` a lasting line beside it, `going` what is happening right now. */
type Telling = readonly [where: 'out' | 'err' | 'going', text: string] | null;

/** Without a terminal a line about what is going on appears at most this often. */
const lineEveryMs = 5000;

/** What nobody expects: told at once, unless the line before said the same. A try for a lock that failed is told each time. */
const waits: ReadonlySet<ProgressEvent['type']> = new Set(['lease-waiting', 'reconnecting', 'lock-waiting']);

/**
 * Facts as they happen: what is done goes to standard output line by line (it is a result), what is going on to
 * standard error: a spinner on a terminal, a line elsewhere, nothing with --json or --quiet. Warnings always appear.
 */
export function progressSink(
  runtime: Pick<Runtime, 'env' | 'stdout' | 'stderr' | 'now'>,
  options: ProgressOptions,
): ProgressSink {
  const warnings: string[] = [];
  const silent = options.json || options.quiet;
  const spinner = silent || runtime.env['CI'] !== undefined ? null : terminalSpinner(runtime.stderr);
  const out = styleFor(runtime.stdout, runtime.env, options.noColour);
  const err = styleFor(runtime.stderr, runtime.env, options.noColour);
  const transfers = new TransferTelling(() => runtime.now().getTime());
  let lastLineAt = Number.NEGATIVE_INFINITY;
  let lastKind: ProgressEvent['type'] | null = null;

  const going = (kind: ProgressEvent['type'], text: string): void => {
    if (spinner !== null) {
      spinner.show(text);
      return;
    }
    const now = runtime.now().getTime();
    const isNews = waits.has(kind) && (kind === 'lock-waiting' || kind !== lastKind);
    if (!isNews && now - lastLineAt < lineEveryMs) return;
    lastLineAt = now;
    lastKind = kind;
    runtime.stderr.write(`${text}\n`);
  };

  const emit = (event: ProgressEvent): void => {
    if (event.type === 'warning') {
      warnings.push(event.hint === undefined ? event.message : `${event.message}; ${event.hint}`);
      if (options.json) return;
      spinner?.clear();
      runtime.stderr.write(`${warningText(event, err)}\n`);
      return;
    }
    if (silent || (event.type === 'server-notice' && !options.verbose)) return;
    const telling = tell(event, out, err, transfers);
    if (telling === null) return;
    const [where, text] = telling;
    if (where === 'going') {
      going(event.type, text);
      return;
    }
    spinner?.clear();
    (where === 'out' ? runtime.stdout : runtime.stderr).write(`${text}\n`);
  };
  return { emit, warnings, stop: () => spinner?.clear() };
}

const settled: Readonly<Record<SettledState, string>> = {
  done: 'shows that an earlier run had done it already',
  invalid: 'was left INVALID: dropped and rebuilt',
  pending: 'was left half detached: finished',
  leftover: 'was left by an interrupted REINDEX: dropped',
};

function warningText(event: { readonly message: string; readonly hint?: string }, style: Style): string {
  const hint = event.hint === undefined ? '' : `\n  ${style.accent(style.symbols.pointer)} ${visible(event.hint)}`;
  return `${style.careful(style.symbols.warning)} ${visible(event.message)}${hint}`;
}

function tell(
  event: Exclude<ProgressEvent, { type: 'warning' }>,
  out: Style,
  err: Style,
  transfers: TransferTelling,
): Telling {
  switch (event.type) {
    case 'migration-started': {
      const verb = event.direction === 'up' ? 'applying' : 'reverting';
      return ['going', `${verb} ${event.version}_${event.name} (${event.index + 1} of ${event.total})`];
    }
    case 'migration-finished': {
      const verb = event.direction === 'up' ? 'applied ' : 'reverted';
      const time = out.faint(duration(event.durationMs));
      return ['out', `${out.good(out.symbols.done)} ${verb} ${event.version}_${event.name} ${time}`];
    }
    case 'migration-progress':
      return ['going', transfers.tell(event.version, event)];
    case 'statement-finished': {
      const end = event.resumed ? 'was done by an earlier run' : 'done';
      return ['going', `${event.version}: statement ${event.statement} of ${event.statements} ${end}`];
    }
    case 'statement-settled': {
      const what = `${event.object} ${settled[event.found]}`;
      return ['err', `${event.version} statement ${event.statement} of ${event.statements}: ${what}`];
    }
    case 'server-notice':
      return ['err', err.faint(`${event.severity}: ${event.message}`)];
    case 'lease-waiting': {
      const time = `${duration(event.waitedMs)} of ${duration(event.limitMs)}`;
      return ['going', `waiting for another run: ${event.holder} (${time})`];
    }
    case 'reconnecting': {
      const time = `${duration(event.waitedMs)} of ${duration(event.limitMs)}`;
      return ['going', `connection lost, connecting again (${time}): ${event.reason}`];
    }
    case 'lock-waiting': {
      const who = event.blockers.length === 0 ? '' : `: ${event.blockers.join('; ')}`;
      return ['going', `${event.version} did not get a lock, try ${event.attempt} of ${event.attempts}${who}`];
    }
    case 'conversion-progress': {
      const share = Math.floor((event.done / Math.max(1, event.total)) * 100);
      const left = event.secondsLeft === null ? '' : `, ${duration(event.secondsLeft * 1000)} left`;
      const rate = event.rowsPerSecond === 0 ? '' : `, ${event.rowsPerSecond} rows/s${left}`;
      const rest = `${event.backlog} changes waiting, longest lock ${duration(event.worstLockMs)}`;
      return ['going', `${event.table} ${event.phase} ${share} %${rate}, ${rest}`];
    }
    case 'conversion-locked':
      return ['err', err.faint(`${event.table}: ${event.doing} held its locks for ${duration(event.heldMs)}`)];
    case 'archive-progress':
      return ['going', transfers.tellRows(`${event.table} ${event.phase}`, event)];
    case 'check-finished':
      return null;
    case 'retention-batch':
      return [
        'going',
        `${event.table}: ${event.removed} rows${event.last === null ? '' : ` up to ${event.last}`} are gone`,
      ];
    case 'backup-started':
      return ['err', `backup of ${bytes(event.databaseBytes)} to ${event.path}`];
    case 'backup-progress': {
      const phase = event.phase === 'write' ? 'writing the backup' : 'reading the backup back';
      return [
        'going',
        `${phase}: ${bytes(event.bytes)}${event.totalBytes === null ? '' : ` of ${bytes(event.totalBytes)}`}`,
      ];
    }
    case 'backup-finished': {
      const facts = `${bytes(event.bytes)}, sha256 ${event.sha256.slice(0, 16)}…, ${duration(event.durationMs)}`;
      return ['err', `${err.good(err.symbols.done)} backup written and read back: ${event.path}, ${facts}`];
    }
    case 'embedded-starting':
      return ['going', `starting PostgreSQL ${event.version}${event.fresh ? ' with a new data directory' : ''}`];
    case 'embedded-started': {
      const stop = 'it keeps running; stop it with: pulse-migrate embedded stop';
      return ['err', `${err.good(err.symbols.done)} PostgreSQL ${event.version} started; ${stop}`];
    }
  }
}
