import { seed } from './settings.ts';
import { type Fault, faults, repeat, type Trial } from './tally.ts';

/** What a campaign found, part by part. */
export interface Summary {
  readonly seed: number;
  readonly postgres: string;
  readonly trials: number;
  readonly parts: readonly PartSummary[];
  /** Every trial that failed, with the line that repeats it. */
  readonly failures: readonly { readonly repeat: string; readonly fault: Fault; readonly detail: string }[];
}

interface PartSummary {
  readonly part: string;
  readonly trials: number;
  readonly faults: Readonly<Record<Fault, number>>;
  /** The largest of each figure. */
  readonly largest: Readonly<Record<string, number>>;
}

export function summarize(trials: readonly Trial[]): Summary {
  const parts = [...new Set(trials.map(({ part }) => part))].sort();
  return {
    seed,
    postgres: process.env['PULSE_TEST_POSTGRES'] ?? '15',
    trials: trials.length,
    parts: parts.map((part) =>
      partSummary(
        part,
        trials.filter((trial) => trial.part === part),
      ),
    ),
    failures: trials.flatMap((trial) =>
      trial.fault === null ? [] : [{ repeat: repeat(trial), fault: trial.fault, detail: trial.detail }],
    ),
  };
}

function partSummary(part: string, trials: readonly Trial[]): PartSummary {
  const counts = faults.map((fault) => [fault, trials.filter((trial) => trial.fault === fault).length] as const);
  const largest: Record<string, number> = {};
  for (const { figures } of trials) {
    for (const [name, figure] of Object.entries(figures)) largest[name] = Math.max(largest[name] ?? figure, figure);
  }
  return { part, trials: trials.length, faults: Object.fromEntries(counts) as Record<Fault, number>, largest };
}

/** The same for people: a line for each part, then what failed and how to repeat it. */
export function summaryText(summary: Summary): string {
  const heads = ['part', 'trials', ...faults, 'largest'];
  const rows = summary.parts.map((part) => [
    part.part,
    String(part.trials),
    ...faults.map((fault) => String(part.faults[fault])),
    Object.entries(part.largest)
      .map(([name, figure]) => `${name} ${Number.isInteger(figure) ? figure : figure.toFixed(2)}`)
      .join(', '),
  ]);
  const widths = heads.map((head, column) => Math.max(head.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) =>
        (column === 0 || column === heads.length - 1 ? cell.padEnd : cell.padStart).call(cell, widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  const failures = summary.failures.flatMap(({ repeat: command, fault, detail }) => [
    `${fault}: ${detail}`,
    `  ${command}`,
  ]);
  const title = `faults on PostgreSQL ${summary.postgres}, seed ${summary.seed}: ${summary.trials} trials, ${summary.failures.length} failed`;
  return ['', title, line(heads), ...rows.map(line), ...failures, ''].join('\n');
}
