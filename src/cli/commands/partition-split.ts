import type { Command } from 'commander';
import { periods } from '../../partitions/calendar.ts';
import type { SplitPlan } from '../../partitions/convert/split/begin.ts';
import { typedName } from '../../partitions/shown-name.ts';
import type { AddAction, Invocation } from '../cli.ts';
import { examples } from '../examples.ts';
import { choiceFlag, openSession, openSettings, textFlag } from '../open.ts';
import type { Outcome } from '../outcome.ts';
import { table } from '../render/format.ts';
import type { Style } from '../style.ts';
import { defaults, retainOf, withDeps } from './partition-convert.ts';
import { day } from './partition-flags.ts';

/** The command that cuts a large partition into smaller ones. */
export function registerSplit(group: Command, addAction: AddAction): void {
  const split = group
    .command('split')
    .argument('<partition>')
    .summary('cut a large partition into smaller ones')
    .description(
      'Copies the rows of one partition into one a period while clients go on, brings over what they change meanwhile, ' +
        'compares both, and exchanges all of them in one short transaction, by itself. There is no way back behind the ' +
        'exchange: until then "partition abort" leaves the partition as it was, and from then on "partition rollback" is ' +
        'refused; what the partition was is kept apart, as it was at the exchange, until "partition finish". Whatever ' +
        'interrupts it, "partition resume" goes on.',
    )
    .option('--period <period>', `${periods.join(', ')}; without it as the other partitions show`)
    .option('--unique <choice>', 'per-leaf: a key of the partition that lacks the time holds within each new one')
    .option('--duty <share>', `the part of the time in which the copy works, up to 1 (${defaults.duty})`)
    .option('--retain <duration>', `keep what it was at least so long after the exchange (${defaults.retain})`)
    .option('--dry-run', 'say which partitions it would be, and make none');
  examples(split, [
    ['pulse-migrate partition split commits_history --dry-run', 'the partitions it would be'],
    ['pulse-migrate partition split commits_history', 'after a conversion with --strategy attach'],
  ]);
  addAction(split, runSplit);
}

async function runSplit(invocation: Invocation, [partition = '']: readonly string[]): Promise<Outcome> {
  const { flags } = invocation;
  const input = {
    partition,
    period: choiceFlag(flags, 'period', periods) ?? null,
    unique: choiceFlag(flags, 'unique', ['per-leaf'] as const) ?? null,
    retainMs: retainOf(textFlag(flags, 'retain') ?? defaults.retain),
  };
  if (flags['dryRun'] !== true) {
    return withDeps(invocation, async (deps) => {
      const { split } = await import('../../partitions/convert/run.ts');
      return split(deps, input);
    });
  }
  const settings = await openSettings(invocation);
  const { session } = await openSession(invocation, settings);
  try {
    const { planSplit } = await import('../../partitions/convert/split/begin.ts');
    const plan = await planSplit({ session, toolSchema: settings.ledgerSchema }, input);
    return { result: plan, text: invocation.global.quiet ? '' : rendered(plan, invocation.style) };
  } finally {
    await session.close();
  }
}

/** To be known before it is begun. */
const noWayBack = 'Once they have taken its place there is no way back; until then: partition abort.';

function rendered(plan: SplitPlan, style: Style): string {
  const edge = (at: string | null) => (at === null ? 'open' : day(at));
  const rows = plan.partitions.map((made) =>
    [typedName(made), edge(made.from), edge(made.to)].map((text) => ({ text })),
  );
  return `${style.strong(plan.name)} of ${typedName(plan.table)} would be ${rows.length} partitions, one a ${plan.period}:\n${table(rows)}\n${style.careful(noWayBack)}\n`;
}
