import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { summarize, summaryText } from './summary.ts';
import type { Trial } from './tally.ts';

/** Collects what the trials of all files leave, and prints the campaign's summary when they are done. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), 'pulse-faults-'));
  const file = join(directory, 'trials.jsonl');
  project.provide('tallyFile', file);
  return async () => {
    const text = await readFile(file, 'utf8').catch(() => '');
    const trials = text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Trial);
    await rm(directory, { recursive: true, force: true });
    if (trials.length === 0) return;
    const summary = summarize(trials);
    const report = process.env['PULSE_FAULTS_REPORT'];
    if (report !== undefined) await writeFile(report, `${JSON.stringify(summary, null, 2)}\n`);
    process.stdout.write(summaryText(summary));
  };
}
