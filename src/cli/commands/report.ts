import type { Command } from 'commander';
import type { AddAction } from '../cli.ts';
import { registerReportAll } from './report-all.ts';
import { registerReportGrowth } from './report-growth.ts';
import { registerReportIndexes } from './report-indexes.ts';
import { registerReportLocks } from './report-locks.ts';
import { registerReportQueries } from './report-queries.ts';
import { registerReportSizes } from './report-sizes.ts';
import { registerReportSlow } from './report-slow.ts';

/** The group of reports; each has a file of its own beside this one, and registers itself in this list. */
const reports: ReadonlyArray<(group: Command, addAction: AddAction) => void> = [
  registerReportSizes,
  registerReportGrowth,
  registerReportIndexes,
  registerReportQueries,
  registerReportLocks,
  registerReportSlow,
  registerReportAll,
];

export function registerReport(program: Command, addAction: AddAction): void {
  const group = program
    .command('report')
    .summary('what grows, what is slow, what is in the way')
    .description('Reports for people who operate the database, and for programs that watch it. They read only.');
  for (const register of reports) register(group, addAction);
}
