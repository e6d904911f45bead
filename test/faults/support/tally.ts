import { appendFile } from 'node:fs/promises';
import { expect, inject } from 'vitest';
import { isAsked, seed } from './settings.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Where every trial of the campaign leaves a line. */
    tallyFile: string;
  }
}

/** What a fault must never leave behind, each with its own column in the summary. */
export const faults = [
  /** Ledger and catalog disagree. */
  'inconsistent',
  /** The next command does not complete without a human. */
  'stuck',
  /** Something was applied twice. */
  'doubled',
  /** An exception nobody caught, exit 70, a stack trace. */
  'uncaught',
  /** Success was said of what is not so, or failure of what is complete. */
  'untrue',
  /** A lock, a session, an invalid index, a mark of ours that nobody needs any more. */
  'left behind',
  /** A password or another secret was shown. */
  'leaked',
] as const;

export type Fault = (typeof faults)[number];

/** One trial: what was done to the run, and how that ended. */
export interface Trial {
  /** The part of the campaign: `cuts`, `kills`, `races`, … */
  readonly part: string;
  /** Names this trial within its part; with the part it repeats it. */
  readonly place: string;
  readonly fault: Fault | null;
  readonly detail: string;
  /** What was measured: seconds until the diagnosis, exit codes, … The summary shows the largest of each. */
  readonly figures: Readonly<Record<string, number>>;
}

export interface Verdict {
  readonly fault: Fault | null;
  readonly detail?: string;
  readonly figures?: Readonly<Record<string, number>>;
}

/** Trials of one test: each is counted, and the first fault fails the test when all were tried. */
export class Tally {
  readonly part: string;
  readonly #failures: string[] = [];

  constructor(part: string) {
    this.part = part;
  }

  /** Runs a trial unless another one alone was asked for. What it throws counts as uncaught. */
  async trial(place: string, work: () => Promise<Verdict>): Promise<void> {
    if (!isAsked(this.part, place)) return;
    const verdict = await work().catch((error: unknown): Verdict => ({ fault: 'uncaught', detail: String(error) }));
    await this.record(place, verdict);
  }

  /** Counts a trial that was run otherwise. */
  async record(place: string, verdict: Verdict): Promise<void> {
    const trial: Trial = {
      part: this.part,
      place,
      fault: verdict.fault,
      detail: verdict.detail ?? '',
      figures: verdict.figures ?? {},
    };
    if (process.env['PULSE_FAULTS_VERBOSE'] !== undefined) process.stdout.write(`${JSON.stringify(trial)}\n`);
    await appendFile(inject('tallyFile'), `${JSON.stringify(trial)}\n`);
    if (trial.fault !== null) this.#failures.push(`${trial.fault}: ${trial.detail.slice(0, 2000)}\n  ${repeat(trial)}`);
  }

  /** To be called when all trials of the test are done. */
  expectNoFault(): void {
    expect(this.#failures.slice(0, 10), `${this.#failures.length} trials failed`).toEqual([]);
  }
}

/** The line that runs one trial again. */
export function repeat({ part, place }: Pick<Trial, 'part' | 'place'>): string {
  const version = process.env['PULSE_TEST_POSTGRES'];
  const server = version === undefined ? '' : `PULSE_TEST_POSTGRES=${version} `;
  return `${server}PULSE_FAULTS_SEED=${seed} PULSE_FAULTS_ONLY='${part}:${place}' npm run test:faults`;
}
