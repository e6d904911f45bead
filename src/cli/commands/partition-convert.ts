import type { Command } from 'commander';
import type { Settings } from '../../config/settings.ts';
import { parseDuration } from '../../durations.ts';
import { PulseError } from '../../errors.ts';
import { periods } from '../../partitions/calendar.ts';
import type { Conversion } from '../../partitions/convert/conversion.ts';
import type { ConvertDeps } from '../../partitions/convert/deps.ts';
import { uniqueChoices } from '../../partitions/convert/widen.ts';
import type { AddAction, Invocation } from '../cli.ts';
import { examples } from '../examples.ts';
import { choiceFlag, openSession, openSettings, positiveInteger, runnerDeps, textFlag, timeFlag } from '../open.ts';
import type { Outcome } from '../outcome.ts';
import { renderConversion } from './partition-conversion-text.ts';
import { longestLockMs, strategyFlag } from './partition-flags.ts';

/** The commands that turn a table in use into one of partitions, and back. */
export function registerConversion(group: Command, addAction: AddAction): void {
  const convert = group
    .command('convert')
    .argument('<table>')
    .summary('turn a table in use into partitions')
    .description(
      'Copies the table into partitions while clients go on, brings over what they change meanwhile, compares both, and ' +
        'exchanges them in one short transaction. The old table is kept until "partition finish". With --strategy attach no ' +
        'row is copied: the table itself becomes the first partition, and new ones begin at the cutover. Whatever ' +
        'interrupts it, "partition resume" goes on. What cannot be kept is refused before anything is written.',
    )
    .option('--by <column>', 'the partition key: a date or a time that is never NULL (by of the configuration)')
    .option('--period <period>', `${periods.join(', ')} (month)`)
    .option('--strategy <name>', 'copy: into new partitions; attach: the table becomes the first one (copy)')
    .option('--cutover <time>', 'with attach: where the first partition ends (the first period a week ahead)')
    .option('--unique <choice>', 'for unique keys without the partition key: widen, per-leaf, or registry')
    .option('--lead <n>', 'so many periods ahead of today (3)')
    .option('--from <day>', 'the first partition begins here; earlier rows go to the DEFAULT partition')
    .option('--to <day>', 'the last partition ends behind this day; later rows go to the DEFAULT partition')
    .option('--duty <share>', 'the part of the time in which the copy works, up to 1 (0.5)')
    .option('--retain <duration>', 'keep the old table at least so long after the swap (24h)')
    .option('--now <time>', 'rehearse another day: an ISO 8601 time');
  examples(convert, [
    ['pulse-migrate partition convert audit_logs --by created_at --period quarter', 'all keys contain the time'],
    [
      'pulse-migrate partition convert commits --by committed_at --unique widen',
      'the time becomes part of each unique key',
    ],
    [
      'pulse-migrate partition convert commits --by committed_at --unique per-leaf --strategy attach',
      'only what comes later gets partitions',
    ],
  ]);
  addAction(convert, runConvert);

  const status = group
    .command('status')
    .argument('[table]')
    .summary('how far conversions are')
    .description(
      'Shows each conversion: phase, rate, time left, changes still to be brought over, the worst lock so far.',
    );
  examples(status, [['pulse-migrate partition status commits --json', 'one, as data']]);
  addAction(status, showStatus);

  const resume = group
    .command('resume')
    .argument('<table>')
    .summary('go on with a conversion')
    .description('Goes on where a conversion stands, whatever ended the run before.')
    .option('--duty <share>', 'the part of the time in which the copy works, up to 1 (0.5)');
  examples(resume, [
    ['pulse-migrate partition resume commits', 'after a crash, a restart or a lock that was not obtained'],
  ]);
  addAction(resume, (invocation, [table = '']) => runStep(invocation, table, 'resume'));

  const abort = group
    .command('abort')
    .argument('<table>')
    .summary('end a conversion before its swap')
    .description('Takes the triggers off the table and drops the copy. The table is as it was.');
  examples(abort, [['pulse-migrate partition abort commits', 'the table was never anything else']]);
  addAction(abort, (invocation, [table = '']) => runStep(invocation, table, 'abort'));

  const rollback = group
    .command('rollback')
    .argument('<table>')
    .summary('go back to the old table after the swap')
    .description(
      'The old table takes its place again, with everything that was written since the swap. Not of a split, which has no way back.',
    );
  examples(rollback, [['pulse-migrate partition rollback commits', 'nothing that was written is lost']]);
  addAction(rollback, (invocation, [table = '']) => runStep(invocation, table, 'undo'));

  const finish = group
    .command('finish')
    .argument('<table>')
    .summary('drop the old table for good')
    .description(
      'Ends a conversion: the old table and the log for the way back are dropped; with --strategy attach only the keys ' +
        'that were kept for it, and no row. Not before --retain is over.',
    )
    .option('--i-know', 'there is no way back then: confirm it');
  examples(finish, [['pulse-migrate partition finish commits --i-know', 'there is no way back from here']]);
  addAction(finish, runFinish);
}

export const defaults = { period: 'month', lead: 3, duty: 0.5, retain: '24h' } as const;

async function runConvert(invocation: Invocation, [table = '']: readonly string[]): Promise<Outcome> {
  const { flags } = invocation;
  const strategy = strategyFlag(flags);
  const asked = {
    column: textFlag(flags, 'by'),
    period: choiceFlag(flags, 'period', periods),
    lead: positiveInteger(flags, 'lead'),
  };
  const others = {
    unique: choiceFlag(flags, 'unique', uniqueChoices) ?? null,
    from: timeFlag(flags, 'from'),
    to: timeFlag(flags, 'to'),
    ...{ strategy, cutover: timeFlag(flags, 'cutover') },
    retainMs: retainOf(textFlag(flags, 'retain') ?? defaults.retain),
    now: timeFlag(flags, 'now') ?? invocation.runtime.now(),
  };
  return withDeps(invocation, async (deps, { partitions }) => {
    const configured = partitions.find((setting) => withoutPublic(setting.table) === withoutPublic(table));
    const column = asked.column ?? configured?.by ?? null;
    if (column === null) {
      throw new PulseError('usage', 'partition convert needs the partition key', {
        hint: `name the column: --by created_at; or in the configuration: partitions: { ${table}: { by: created_at } }`,
      });
    }
    const period = asked.period ?? configured?.period ?? defaults.period;
    const lead = asked.lead ?? configured?.lead ?? defaults.lead;
    const { convert } = await import('../../partitions/convert/run.ts');
    return convert(deps, { ...others, table, column, period, lead });
  });
}

const withoutPublic = (table: string) => table.replace(/^public\./, '');

async function runStep(
  invocation: Invocation,
  table: string,
  step: 'resume' | 'abort' | 'undo' | 'finish',
): Promise<Outcome> {
  return withDeps(invocation, async (deps) => {
    const steps = await import('../../partitions/convert/run.ts');
    return steps[step](deps, table);
  });
}

async function runFinish(invocation: Invocation, [table = '']: readonly string[]): Promise<Outcome> {
  if (invocation.flags['iKnow'] !== true) {
    throw new PulseError(
      'confirmation-needed',
      `what was kept of ${table} would be dropped, and with it the way back`,
      {
        hint: `pulse-migrate partition finish ${table} --i-know`,
      },
    );
  }
  return runStep(invocation, table, 'finish');
}

/** Runs a step of a conversion and tells how far that is by then. */
export async function withDeps(
  invocation: Invocation,
  act: (deps: ConvertDeps, settings: Settings) => Promise<Conversion>,
): Promise<Outcome> {
  const duty = dutyOf(invocation.flags);
  const settings = await openSettings(invocation);
  const opened = await openSession(invocation, settings);
  try {
    const { statusOf } = await import('../../partitions/convert/status.ts');
    const timeoutMs = Math.min(settings.lock.timeoutMs, longestLockMs);
    const retries = Math.max(settings.lock.retries, fewestRetries);
    const toolSchema = settings.ledgerSchema;
    const deps = { ...(await runnerDeps(invocation, opened)), toolSchema, duty, patience: { timeoutMs, retries } };
    const result = await statusOf(opened.session, toolSchema, await act(deps, settings));
    return { result, text: invocation.global.quiet ? '' : `${renderConversion(result, invocation.style)}\n` };
  } finally {
    await opened.session.close();
  }
}

/** Hours of copying are not given up for a reader of half a minute. */
const fewestRetries = 60;

async function showStatus(invocation: Invocation, [table]: readonly string[]): Promise<Outcome> {
  const settings = await openSettings(invocation);
  const { session } = await openSession(invocation, settings);
  try {
    const { conversionStatus } = await import('../../partitions/convert/status.ts');
    const conversions = await conversionStatus(session, settings.ledgerSchema, table ?? null);
    const lines = conversions.map((conversion) => renderConversion(conversion, invocation.style));
    const text = lines.length === 0 ? 'No table was converted.' : lines.join('\n\n');
    return { result: { conversions }, text: invocation.global.quiet ? '' : `${text}\n` };
  } finally {
    await session.close();
  }
}

/** The duration in milliseconds. Throws `usage` for none. */
export function retainOf(text: string): number {
  const milliseconds = parseDuration(text);
  if (milliseconds !== null) return milliseconds;
  throw new PulseError('usage', `--retain takes a duration, not "${text}"`, { hint: 'for example: --retain 24h' });
}

function dutyOf(flags: Invocation['flags']): number {
  const text = textFlag(flags, 'duty');
  if (text === undefined) return defaults.duty;
  const duty = Number(text);
  if (duty > 0.01 && duty <= 1) return duty;
  throw new PulseError('usage', `--duty takes a share above 0.01 and up to 1, not "${text}"`, {
    hint: 'for example: --duty 0.5',
  });
}
