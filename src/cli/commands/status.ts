import type { Command } from 'commander';
import type { Settings } from '../../config/settings.ts';
import type { FolderFor } from '../../migrations/folder.ts';
import type { MigrationState } from '../../runner/compare.ts';
import type { StatusCounts, StatusResult } from '../../runner/status.ts';
import type { AddAction, Invocation } from '../cli.ts';
import { examples } from '../examples.ts';
import { isFolderThere, openSession, openSettings, withFolderFor } from '../open.ts';
import type { No, Outcome } from '../outcome.ts';
import { type Cell, count, duration, moment, table } from '../render/format.ts';
import type { Style } from '../style.ts';

export function registerStatus(program: Command, addAction: AddAction): void {
  const command = program
    .command('status')
    .summary('what is applied and what is pending')
    .description('Shows every migration: applied (when, by whom, how long), pending, changed, missing or out of order.')
    .option('--exit-code', 'exit 1 when something is pending or disagrees');
  examples(command, [
    ['pulse-migrate status', 'the whole list'],
    ['pulse-migrate status --exit-code --quiet', 'in a script: is anything pending?'],
    ['pulse-migrate status --json', 'as data'],
  ]);
  addAction(command, runStatus);
}

async function runStatus(invocation: Invocation): Promise<Outcome> {
  const settings = await openSettings(invocation);
  return isFolderThere(invocation, settings)
    ? withFolderFor(invocation, settings, (folderFor) => show(invocation, settings, folderFor))
    : show(invocation, settings, null);
}

async function show(invocation: Invocation, settings: Settings, folderFor: FolderFor | null): Promise<Outcome> {
  const { session } = await openSession(invocation, settings);
  try {
    const [{ readLedger }, { status, statusCounts }] = await Promise.all([
      import('../../ledger/read.ts'),
      import('../../runner/status.ts'),
    ]);
    const ledger = await readLedger(session, settings.ledgerSchema);
    const folder = folderFor?.(ledger.applied) ?? null;
    const { quiet, json } = invocation.global;
    const full = quiet && !json ? null : status(folder, ledger);
    const result = full ?? statusCounts(folder, ledger);
    const text = quiet || full === null ? '' : renderStatus(full, invocation.style);
    const no = folder === null && result.disagreements === 0 ? noFolder(settings.directoryShown) : answer(result);
    return invocation.flags['exitCode'] === true && no !== null ? { result, text, no } : { result, text };
  } finally {
    await session.close();
  }
}

/** `up` refuses such a folder, so the answer to a script cannot be that all is well. */
function noFolder(shown: string): No {
  return {
    code: 'pending',
    message: `there are no migrations in ${shown}, so what is pending is not known`,
    hint: 'name the folder with --dir, or create the first migration: pulse-migrate new NAME',
  };
}

function answer(result: StatusCounts): No | null {
  if (result.disagreements > 0)
    return {
      code: 'pending',
      message: `${count(result.disagreements, 'migration')} disagree with the ledger`,
      hint: 'pulse-migrate repair shows what to do',
    };
  if (result.pending > 0)
    return { code: 'pending', message: `${count(result.pending, 'migration')} pending`, hint: 'pulse-migrate up' };
  return null;
}

/** The list and a line that sums it up. */
function renderStatus(result: StatusResult, style: Style): string {
  if (result.migrations.length === 0) return 'There are no migrations.\n';
  const rows = result.migrations.map((row): Cell[] => {
    const { unfinished } = row;
    const part = unfinished === null ? '' : `${unfinished.direction} ${unfinished.done}/${unfinished.of}`;
    const applied = row.appliedAt === null ? '' : `${moment(row.appliedAt)}  ${row.appliedBy ?? ''}`;
    return [
      unfinished === null
        ? { text: row.state, paint: paintOf(row.state, style) }
        : {
            text: `${unfinished.running ? 'running' : 'stopped'} ${part}`,
            paint: unfinished.running ? style.careful : style.bad,
          },
      { text: `${row.version}_${row.name}` },
      { text: row.durationMs === null ? '' : duration(row.durationMs), right: true, paint: style.faint },
      { text: applied, paint: style.faint },
    ];
  });
  const sum = [
    `${result.applied} applied`,
    `${result.pending} pending`,
    ...(result.disagreements > 0
      ? [style.bad(`${count(result.disagreements, 'disagreement')}: pulse-migrate repair shows what to do`)]
      : []),
  ].join(', ');
  return `${table(rows)}\n${sum}\n`;
}

function paintOf(state: MigrationState, style: Style): (text: string) => string {
  if (state === 'applied') return style.good;
  return state === 'pending' ? style.careful : style.bad;
}
