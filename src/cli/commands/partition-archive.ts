import type { Command } from 'commander';
import type { ArchivedPartition } from '../../archive/archive-partitions.ts';
import { type Format, formats } from '../../archive/format.ts';
import type { Archive } from '../../archive/manifest.ts';
import type { Settings } from '../../config/settings.ts';
import { PulseError } from '../../errors.ts';
import { instantOf } from '../../partitions/calendar.ts';
import { isTyped } from '../../partitions/shown-name.ts';
import type { RunnerDeps } from '../../runner/step.ts';
import type { AddAction, Invocation } from '../cli.ts';
import { confirm } from '../confirm.ts';
import { examples } from '../examples.ts';
import { type Opened, openSession, openSettings, runnerDeps, textFlag, timeFlag } from '../open.ts';
import type { Outcome } from '../outcome.ts';
import { bytes, count, moment, shortList, table } from '../render/format.ts';
import type { Style } from '../style.ts';
import { detachPartition, inSql } from './archive-and-drop.ts';

export function registerArchive(group: Command, addAction: AddAction): void {
  const archive = group
    .command('archive')
    .argument('<table>', 'the partitioned table')
    .argument('[partition...]', 'these partitions; else --before')
    .summary('write old partitions to a directory or to S3, and drop them if asked')
    .description(
      'Writes each partition, compressed, reads it back and compares, and records it in the manifest. With --drop the ' +
        'partition is detached first and dropped in the transaction that records it; nothing is dropped that did not ' +
        'read back. What a kill has stopped goes on with the same command. Without --drop the partition stays, and each run ' +
        'writes one more archive of it, which is told; partition restore takes the newest.',
    )
    .option('--before <day>', 'all partitions that end by this day, UTC')
    .option('--to <place>', 's3://bucket/prefix or a directory')
    .option('--endpoint <url>', 'of S3-compatible storage (R2, MinIO); Amazon without it')
    .option('--format <format>', `${formats.join(' or ')}; csv without it`)
    .option('--drop', 'detach and drop what was archived')
    .option('--i-know [database]', 'yes, drop it; a protected environment wants the name of the database here');
  examples(archive, [
    ['pulse-migrate partition archive commits --before 2026-01-01 --to s3://archive/pulse', 'all that end by then'],
    [
      'pulse-migrate partition archive audit_logs audit_logs_2025_q1 --to /var/archive --drop --i-know',
      'one, and drop it',
    ],
  ]);
  addAction(archive, archivePartitions);

  const archives = group
    .command('archives')
    .summary('what was archived, and where it is')
    .description('Shows the manifest: each archive with its rows, size and place.');
  addAction(archives, listArchives);

  const restore = group
    .command('restore')
    .argument('<table>', 'the partitioned table')
    .argument('<partition>', 'the partition, as it was called')
    .summary('bring an archived partition back')
    .description(
      'Loads the newest archive of a partition apart from the table, compares what its rows give with what was archived, ' +
        'and attaches it in a moment. What a kill has stopped goes on with the same command; one that is restored is left as it is.',
    );
  examples(restore, [
    ['pulse-migrate partition restore commits commits_2025_01', 'from where the manifest says it is'],
  ]);
  addAction(restore, restorePartition);
}

async function archivePartitions(invocation: Invocation, [name = '', ...named]: readonly string[]): Promise<Outcome> {
  const { flags } = invocation;
  const before = timeFlag(flags, 'before');
  const format = formatOf(textFlag(flags, 'format'));
  const place = textFlag(flags, 'to');
  const endpoint = textFlag(flags, 'endpoint') ?? null;
  if (place === undefined) {
    throw new PulseError('usage', 'it is not said where to archive to', {
      hint: 'for example: --to s3://bucket/pulse, or --to /var/archive',
    });
  }
  if ((before === null) === (named.length === 0)) {
    throw new PulseError('usage', 'archive wants either partitions by name or --before', {
      hint: 'for example: --before 2026-01-01',
    });
  }
  const { openStore } = await import('../../archive/open-store.ts');
  const store = await openStore(place, { endpoint, cwd: invocation.runtime.cwd, env: invocation.runtime.env });
  return withLedger(invocation, async ({ deps, opened, settings }) => {
    const { archivePartitions: archive } = await import('../../archive/archive-partitions.ts');
    const archived = await archive(deps, {
      ...{ table: name, names: named, store, endpoint, format },
      before: before === null ? null : instantOf(before),
      drop: flags['drop'] === true,
      schema: settings.ledgerSchema,
      place: store.shown,
      confirm: (parent, partitions) => {
        const list = partitions.map((partition) => `${partition.schema}.${partition.name}`);
        const would = `archive and drop ${count(list.length, 'partition')} of ${parent.name}`;
        const { database } = opened.parameters;
        confirm(invocation, { settings, database, would, list: shortList(list), result: { wouldDrop: list } });
      },
      detach: (...names) => detachPartition(deps, settings, instantOf(invocation.runtime.now()), names),
    });
    const result = { place: store.shown, archived };
    return { result, text: invocation.global.quiet ? '' : renderArchived(archived, store.shown, invocation.style) };
  });
}

/** What a command with a ledger works with. */
interface Work {
  readonly deps: RunnerDeps;
  readonly opened: Opened;
  readonly settings: Settings;
}

/** Connects, and makes sure that the manifest is there. */
async function withLedger(invocation: Invocation, work: (work: Work) => Promise<Outcome>): Promise<Outcome> {
  const settings = await openSettings(invocation);
  const opened = await openSession(invocation, settings);
  try {
    const deps = await runnerDeps(invocation, opened);
    const { installLedger } = await import('../../ledger/install.ts');
    const { toolVersion } = deps;
    await installLedger(deps, { schema: settings.ledgerSchema, toolVersion, waitMs: settings.lockWaitMs });
    return await work({ deps, opened, settings });
  } finally {
    await opened.session.close();
  }
}

function formatOf(text: string | undefined): Format {
  const format = text === undefined ? 'csv' : formats.find((known) => known === text);
  if (format !== undefined) return format;
  throw new PulseError('usage', `--format takes ${formats.join(' or ')}, not "${text}"`, {
    hint: 'for example: --format csv',
  });
}

function renderArchived(archived: readonly ArchivedPartition[], place: string, style: Style): string {
  if (archived.length === 0) return 'There is no partition to archive.\n';
  const rows = archived.map((one) => [
    { text: `${style.symbols.done} ${one.name}`, paint: style.good },
    { text: count(one.rows, 'row'), right: true },
    { text: bytes(one.bytes), right: true, paint: style.faint },
    { text: one.dropped ? 'read back, dropped' : 'read back' },
  ]);
  return `${table(rows)}\nin ${place}\n`;
}

async function listArchives(invocation: Invocation): Promise<Outcome> {
  const settings = await openSettings(invocation);
  const { session } = await openSession(invocation, settings);
  try {
    const { readArchives } = await import('../../archive/manifest.ts');
    const archives = await readArchives(session, settings.ledgerSchema);
    const result = { archives: archives.map(shownArchive) };
    return { result, text: invocation.global.quiet ? '' : renderArchives(archives, invocation.style) };
  } finally {
    await session.close();
  }
}

function shownArchive({ archivedAt, loadedAt, restoredAt, ...archive }: Archive) {
  return {
    ...archive,
    archivedAt: archivedAt.toISOString(),
    loadedAt: loadedAt?.toISOString() ?? null,
    restoredAt: restoredAt?.toISOString() ?? null,
  };
}

function renderArchives(archives: readonly Archive[], style: Style): string {
  if (archives.length === 0) return 'Nothing was archived.\n';
  const rows = archives.map((archive) => [
    { text: archive.partition.name, paint: style.strong },
    { text: stateOf(archive), paint: archive.written === null ? style.careful : style.faint },
    { text: archive.written === null ? '' : count(archive.written.rows, 'row'), right: true },
    { text: archive.written === null ? '' : bytes(archive.written.stored.bytes), right: true, paint: style.faint },
    { text: moment(archive.archivedAt.toISOString()), paint: style.faint },
    { text: `${archive.place}${archive.object}`, paint: style.faint },
  ]);
  return `${table(rows)}\n`;
}

function stateOf({ written, dropped, loadedAt, restoredAt }: Archive): string {
  if (written === null) return 'not finished';
  if (restoredAt !== null) return 'restored';
  if (loadedAt !== null) return 'restore not finished';
  return dropped ? 'archived, dropped' : 'archived';
}

async function restorePartition(
  invocation: Invocation,
  [name = '', partition = '']: readonly string[],
): Promise<Outcome> {
  return withLedger(invocation, async ({ deps, settings }) => {
    const [{ readArchives }, { ambiguous }, { restoreArchive }, { openStore }] = await Promise.all([
      import('../../archive/manifest.ts'),
      import('../../archive/archive-partitions.ts'),
      import('../../archive/restore.ts'),
      import('../../archive/open-store.ts'),
    ]);
    const schema = settings.ledgerSchema;
    const named = (await readArchives(deps.session, schema)).filter(
      (one) => isTyped(one.table, name) && isTyped(one.partition, partition) && one.written !== null,
    );
    const different = new Map(named.map((one) => [inSql(one.partition), one.partition]));
    if (different.size > 1) throw ambiguous(partition, [...different.values()]);
    const archive = named.at(-1);
    if (archive === undefined) {
      throw new PulseError('not-possible', `no archive of a partition ${partition} of ${name} is recorded`, {
        hint: 'pulse-migrate partition archives shows all of them',
      });
    }
    const store = await openStore(archive.place, {
      endpoint: archive.endpoint,
      cwd: invocation.runtime.cwd,
      env: invocation.runtime.env,
    });
    const done = await restoreArchive(deps, archive, { schema, store, patience: settings.lock });
    const rows = archive.written?.rows ?? 0;
    const said =
      done === 'restored'
        ? `${count(rows, 'row')} restored, the same as archived`
        : `restored before, on ${moment(archive.restoredAt?.toISOString() ?? '')}, and left as it is`;
    const text = `${invocation.style.good(invocation.style.symbols.done)} ${archive.partition.name}: ${said}\n`;
    return {
      result: { restored: { ...archive.partition, rows }, isNew: done === 'restored' },
      text: invocation.global.quiet ? '' : text,
    };
  });
}
