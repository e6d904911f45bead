import { chmod, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Settings } from '../../config/settings.ts';
import { PulseError } from '../../errors.ts';
import type { AddAction, Invocation } from '../cli.ts';
import { examples } from '../examples.ts';
import { type Opened, openSettings, textFlag } from '../open.ts';
import type { Outcome } from '../outcome.ts';
import { moment } from '../render/format.ts';
import { page } from '../render/page.ts';
import type { Sheet } from '../render/sheet.ts';
import { freeDiskOf, growthSheet, largest, plotted, triggersOf } from './report-growth.ts';
import { indexesSheet } from './report-indexes.ts';
import { queriesSheet } from './report-queries.ts';
import { onReportSession } from './report-session.ts';
import { lastRecord, sizesSheet } from './report-sizes.ts';

export function registerReportAll(group: Command, addAction: AddAction): void {
  const all = group
    .command('all')
    .summary('sizes, growth, indexes and key queries as one page of HTML')
    .description(
      'Writes one self-contained file: nothing is loaded from anywhere, so it can be sent by mail and printed.',
    )
    .option('--html <file>', 'where to write it; - is standard output');
  examples(all, [
    ['pulse-migrate report all --html pulse.html', 'weekly, to be looked at'],
    ['pulse-migrate report all --html - > pulse.html', 'the same through a pipe'],
  ]);
  addAction(all, reportAll);
}

async function reportAll(invocation: Invocation): Promise<Outcome> {
  const { flags, global } = invocation;
  const file = textFlag(flags, 'html');
  if (file === undefined) {
    throw new PulseError('usage', 'report all writes a page: say where', {
      hint: 'for example: pulse-migrate report all --html pulse.html',
    });
  }
  const settings = await openSettings(invocation);
  const text = await onReportSession(invocation, settings, 'reading reports', async (opened) => {
    const { sheets, database, at } = await sheetsOf(invocation, opened, settings);
    return page(`${database}: report`, `As of ${moment(at)}, PostgreSQL ${opened.session.serverVersionText}.`, sheets);
  });
  if (file === '-') return { result: { html: text }, text };
  await writeWhole(resolve(invocation.runtime.cwd, file), text, file, invocation.runtime.newId());
  return { result: { file, bytes: Buffer.byteLength(text) }, text: global.quiet ? '' : `Written to ${file}.\n` };
}

async function sheetsOf(invocation: Invocation, { session }: Opened, settings: Settings) {
  const [{ readSizes }, { readGrowth }, { readIndexes }] = await Promise.all([
    import('../../reports/sizes.ts'),
    import('../../reports/growth.ts'),
    import('../../reports/indexes.ts'),
  ]);
  const toolSchema = settings.ledgerSchema;
  const whole = { tables: [], schema: null, toolSchema, withTool: false, exact: false, timeoutMs: 0 };
  const sizes = await readSizes(session, whole);
  const sheets: Sheet[] = [sizesSheet(sizes, await lastRecord(session, toolSchema), { partitions: false, whole: 0 })];
  const growth = await readGrowth(session, toolSchema, {
    ...{ tables: [], triggers: triggersOf(settings), top: largest },
  }).catch(whenNothing);
  if (growth instanceof PulseError) {
    const notes = [`Not shown: ${growth.message}.`, growth.hint];
    sheets.push({ title: 'Growth', columns: [], rows: [], notes });
  } else {
    const disk = await freeDiskOf(invocation, settings, session);
    const { growthPlots } = await import('./growth-plots.ts');
    sheets.push(growthSheet(growth, disk, true), ...growthPlots(growth, plotted));
  }
  sheets.push(...indexesSheet(await readIndexes(session, { tables: [], toolSchema })));
  if (settings.queries.length > 0) {
    const { measureQueries } = await import('../../reports/queries.ts');
    const asked = { queries: settings.queries, runs: 20, timeoutMs: 5000 };
    sheets.push(queriesSheet(await measureQueries(session, asked)));
  }
  return { sheets, database: sizes.database, at: sizes.at };
}

/** That nothing was recorded yet, or may not be read, is no reason to show nothing else. */
function whenNothing(error: unknown): PulseError {
  if (error instanceof PulseError && ['not-possible', 'permission-denied'].includes(error.code)) return error;
  throw error;
}

/** All of the file or nothing: whoever looks at it meanwhile sees the one before. A link stays one. */
async function writeWhole(path: string, text: string, shown: string, id: string): Promise<void> {
  const target = await realpath(path).catch(() => path);
  const beside = `${target}.${id}.part`;
  try {
    const before = await stat(target).catch(() => null);
    if (before?.isDirectory() === true) throw new Error('it is a directory');
    if (before !== null && !before.isFile()) {
      // A pipe or a device: root would put a file in the place of /dev/null.
      await writeFile(target, text);
      return;
    }
    await writeFile(beside, text, { flag: 'wx' });
    if (before !== null) await chmod(beside, before.mode);
    await rename(beside, target);
  } catch (error) {
    await rm(beside, { force: true }).catch(() => {});
    throw new PulseError(
      'not-possible',
      `${shown} cannot be written: ${error instanceof Error ? error.message : error}`,
      {
        hint: 'name a file in a directory that can be written to: --html pulse.html',
        cause: error,
      },
    );
  }
}
