import type { Command } from 'commander';
import type { Settings } from '../../config/settings.ts';
import { PulseError } from '../../errors.ts';
import type { PlannedRule } from '../../retention/plan.ts';
import type { RanRule, RunResult } from '../../retention/run.ts';
import type { AddAction, Invocation } from '../cli.ts';
import { examples } from '../examples.ts';
import { openSession, openSettings, runnerDeps, timeFlag } from '../open.ts';
import type { Outcome } from '../outcome.ts';
import { bytes, count, duration } from '../render/format.ts';
import type { Style } from '../style.ts';
import {
  archiveAndDrop,
  archivesDeleter,
  archivesOf,
  type ShownArchive,
  storesOf,
  unfinishedOf,
} from './retention-archives.ts';

export function registerRetention(program: Command, addAction: AddAction): void {
  const group = program
    .command('retention')
    .summary('delete, put together, archive and drop what is old, by rule')
    .description('Carries out the rules of retention in the configuration. A table without a rule is never touched.');
  examples(group, [
    ['pulse-migrate retention plan', 'what each rule would take now'],
    ['pulse-migrate retention run --i-know', 'daily, from cron'],
  ]);

  const plan = group
    .command('plan')
    .argument('[table...]', 'only the rules of these tables, as the configuration names them')
    .summary('what each rule would take, and why one cannot')
    .description(
      'Counts what each rule would take: rows, from when to when, in how many transactions, which partitions, and what ' +
        'foreign keys do along with it. Exit 1 where a rule cannot be carried out. Reads only.',
    )
    .option('--now <time>', 'look from another day: an ISO 8601 time');
  examples(plan, [
    ['pulse-migrate retention plan', 'all rules'],
    ['pulse-migrate retention plan notifications --now 2027-06-01', 'one table, at a day to come'],
    ['pulse-migrate retention plan --verbose', 'with the statements'],
  ]);
  addAction(plan, planRules);

  const run = group
    .command('run')
    .argument('[table...]', 'only the rules of these tables, as the configuration names them')
    .summary('carry the rules out; shows what it would do unless --i-know is given')
    .description(
      'Deletes in small transactions, puts periods together in one transaction each, archives partitions, reads them ' +
        "back and drops them, and records every run. What is old is decided by the server's clock, in UTC. Killed at any " +
        'point it is resumed by running it again.',
    )
    .option('--i-know [database]', 'yes, delete; a protected environment wants the name of the database here')
    .option('--now <time>', 'as if it were an earlier day: an ISO 8601 time');
  examples(run, [
    ['pulse-migrate retention run', 'show what would go, and delete nothing'],
    ['pulse-migrate retention run --i-know', 'daily, from cron'],
    ['pulse-migrate retention run notifications --i-know', 'the rules of one table'],
  ]);
  addAction(run, runRules);
}

async function planRules(invocation: Invocation, tables: readonly string[]): Promise<Outcome> {
  const now = timeFlag(invocation.flags, 'now');
  const settings = await openSettings(invocation);
  const result = await planOf(invocation, settings, { tables, now }, true);
  return { result, text: invocation.global.quiet ? '' : renderPlan(result, invocation), ...noIfStopped(result.rules) };
}

/** A rule that a run would refuse is no plan. */
function noIfStopped(rules: readonly ShownRule[]): Pick<Outcome, 'no'> {
  const stopped = rules.filter(({ obstacles }) => obstacles.length > 0);
  const [first] = stopped;
  if (first === undefined) return {};
  const tables = stopped.map(({ table }) => table).join(', ');
  return {
    no: {
      code: 'check-failed',
      message: `${count(stopped.length, 'rule')} cannot be carried out: ${tables}`,
      hint: first.obstacles[0]?.cure ?? 'pulse-migrate retention plan',
    },
  };
}

interface Asked {
  readonly tables: readonly string[];
  readonly now: Date | null;
}

function inputOf(settings: Settings, asked: Asked) {
  return { schema: settings.ledgerSchema, rules: settings.retention, ...asked };
}

/** A rule as it is planned, with what the manifest of archives knows besides. */
interface ShownRule extends PlannedRule {
  /** Partitions, by schema and name, that an earlier run took out of the table and did not come to drop. */
  readonly unfinished: readonly string[];
  /** What `delete-archives` would delete for good. */
  readonly archives: readonly ShownArchive[];
}

async function planOf(
  invocation: Invocation,
  settings: Settings,
  asked: Asked,
  mayLieAhead: boolean,
): Promise<{ readonly rules: readonly ShownRule[] }> {
  const { session } = await openSession(invocation, settings);
  try {
    const { planRetention } = await import('../../retention/plan.ts');
    const { rules } = await planRetention(session, inputOf(settings, asked), mayLieAhead);
    const shown: ShownRule[] = [];
    for (const rule of rules) {
      const unfinished = await unfinishedOf(session, settings, rule);
      shown.push({ ...rule, unfinished, archives: await archivesOf(session, settings, rule) });
    }
    return { rules: shown };
  } finally {
    await session.close();
  }
}

async function runRules(invocation: Invocation, tables: readonly string[]): Promise<Outcome> {
  const asked = { tables, now: timeFlag(invocation.flags, 'now') };
  const settings = await openSettings(invocation);
  const quiet = invocation.global.quiet;
  if (invocation.flags['iKnow'] === undefined) {
    const { rules } = await planOf(invocation, settings, asked, false);
    const nothing = 'Nothing was deleted: this is what --i-know would do.\n';
    const text = quiet ? '' : `${renderPlan({ rules }, invocation)}${nothing}`;
    return { result: { dry: true, rules }, text, ...noIfStopped(rules) };
  }
  const opened = await openSession(invocation, settings);
  try {
    assertMeant(invocation, settings, opened.parameters.database);
    const { runRetention } = await import('../../retention/run.ts');
    const deps = await runnerDeps(invocation, opened);
    const archive = archiveAndDrop(deps, settings, await storesOf(invocation, settings, tables));
    const deleteArchives = archivesDeleter(invocation, deps, settings);
    const patience = settings.lock;
    const input = { ...inputOf(settings, asked), waitMs: settings.lockWaitMs, patience, archive, deleteArchives };
    const result = await runRetention(deps, input);
    return { result: { dry: false, ...result }, text: quiet ? '' : renderRun(result, invocation.style) };
  } finally {
    await opened.session.close();
  }
}

/** In a protected environment nothing goes without the name of its database. */
function assertMeant({ flags }: Invocation, settings: Settings, database: string): void {
  const known = flags['iKnow'];
  if (known === database || (known === true && !settings.protected)) return;
  const message =
    typeof known === 'string'
      ? `--i-know names database ${known}, but this is database ${database}; nothing was deleted`
      : `${settings.environment === null ? 'this environment' : `environment ${settings.environment}`} is protected: --i-know wants the name of the database; nothing was deleted`;
  throw new PulseError('confirmation-needed', message, { hint: `if this database is meant: --i-know ${database}` });
}

function renderPlan({ rules }: { readonly rules: readonly ShownRule[] }, { style, global }: Invocation): string {
  if (rules.length === 0) return 'No rule is configured: see retention in .pulsemigraterc.example.\n';
  return `${rules.map((rule) => renderRule(rule, style, global.verbose)).join('\n')}\n`;
}

function renderRule(rule: ShownRule, style: Style, verbose: boolean): string {
  const { table, action, after, time, obstacles, cutoff } = rule;
  const head = `${style.strong(table)}: ${action} after ${after} by ${time}`;
  const lines = obstacles.flatMap(({ why, cure }) => [
    style.bad(`  ${style.symbols.failed} cannot be carried out: ${why}`),
    `    ${style.accent(style.symbols.pointer)} ${cure}`,
  ]);
  if (lines.length > 0 || cutoff === null) return [head, ...lines].join('\n');
  return [
    `${head}, so before ${cutoff}`,
    `  ${amount(rule)}`,
    ...rule.partitions.map(({ name, from, to, bytes: size }) => `  ${name}  ${from ?? '…'} to ${to}  ${bytes(size)}`),
    ...rule.archives.map(({ object, rows, bytes: size }) => `  ${object}  ${count(rows, 'row')}  ${bytes(size)}`),
    ...rule.unfinished.map((name) => `  ${name}  out of the table already: archived and dropped first`),
    ...rule.effects.map((effect) => `  along with it: to delete will ${effect}`),
    ...rule.warnings.map((warning) => style.careful(`  ${style.symbols.warning} ${warning}`)),
    ...(verbose && rule.statement !== null ? [style.faint(rule.statement)] : []),
  ].join('\n');
}

function amount({
  rows,
  isEstimate,
  first,
  last,
  made,
  transactions,
  periods,
  partitions,
  archive,
  archives,
  action,
}: ShownRule): string {
  if (action === 'delete-archives') {
    return archives.length === 0 ? 'nothing to do' : `${count(archives.length, 'archive')} would go for good`;
  }
  if (action === 'drop-partition' || action === 'archive') {
    if (partitions.length === 0) return 'nothing to do';
    return `${count(partitions.length, 'partition')}${rows === null ? '' : `, about ${count(rows, 'row')}`}${archive === null ? '' : `, to ${archive.place} as ${archive.format}`}`;
  }
  if (rows === 0) return 'nothing to do';
  const span = first === null || last === null ? '' : `, ${first} to ${last}`;
  const many = `${isEstimate ? 'about ' : ''}${count(rows ?? 0, 'row')}`;
  const into = made > 0 ? ` become ${made}` : ' would go';
  return `${many}${into}${span}${periods > 0 ? `, in ${count(periods, 'period')}` : ''}, ${count(transactions, 'transaction')}`;
}

function renderRun({ rules }: RunResult, style: Style): string {
  if (rules.length === 0) return 'No rule is configured: see retention in .pulsemigraterc.example.\n';
  return `${rules.map((rule) => renderRan(rule, style)).join('\n')}\n`;
}

function renderRan(ran: RanRule, style: Style): string {
  const { table, action, removed, made, transactions, partitions, archive, durationMs } = ran;
  const done = style.good(style.symbols.done);
  if (transactions === 0) return `${done} ${action} on ${table}: nothing to do`;
  const rows = made > 0 ? `${count(removed, 'row')} became ${made}` : `${count(removed, 'row')} gone`;
  if (action === 'delete-archives') {
    const what = `${count(partitions.length, 'archive')}, ${count(removed, 'row')}`;
    return `${done} ${action} of ${table}: ${what}, gone for good ${style.faint(duration(durationMs))}`;
  }
  if (archive !== null) {
    const what = `${count(partitions.length, 'partition')}, ${count(removed, 'row')}`;
    return `${done} ${action} on ${table}: ${what}, in ${archive.place}, read back, dropped ${style.faint(duration(durationMs))}`;
  }
  return `${done} ${action} on ${table}: ${rows}, ${count(transactions, 'transaction')} ${style.faint(duration(durationMs))}`;
}
