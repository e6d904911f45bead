import { join } from 'node:path';
import { showBytes } from '../bytes.ts';
import { type Check, type CheckContext, type Finding, fine } from '../check.ts';
import { askCommand, withoutCommand } from '../disk/free-disk.ts';
import { type DiskNeed, estimateNeed, totalNeed } from '../disk/need.ts';
import { findDataDirectory, freeSpace } from '../disk/places.ts';
import { firstOf } from '../first-of.ts';

export const diskSpace: Check = {
  id: 'disk-space',
  question: 'Is there room on the server for what the pending migrations write?',
  why: 'A full data disk fails the migration; a full WAL disk stops the whole server, which then cannot recover until space is freed.',
  beforeUp: true,
  async run(context) {
    const need = await estimateNeed(context.session, context.pending);
    const found = await findDataDirectory(context.session);
    if ('path' in found) return compareOnDisks(need, found.path);
    if (context.freeSpaceCommand !== null) return compareWithCommand(need, context.freeSpaceCommand, context.run);
    return {
      outcome: 'unknown',
      message: `free space is not known: ${found.reason}; ${describe(need)}`,
      hint: withoutCommand(found.hint),
    };
  },
};

interface Disk {
  readonly paths: string[];
  needBytes: number;
  readonly freeBytes: number;
}

async function compareOnDisks(need: DiskNeed, dataDirectory: string): Promise<Finding> {
  const places: ReadonlyArray<readonly [path: string, bytes: number]> = [
    ...[...need.dataBytes].map(([location, bytes]) => [location === '' ? dataDirectory : location, bytes] as const),
    [join(dataDirectory, 'pg_wal'), need.walBytes],
  ];
  const disks = new Map<number, Disk>();
  for (const [path, bytes] of places) {
    const { disk, freeBytes } = await freeSpace(path);
    const known = disks.get(disk) ?? { paths: [], needBytes: 0, freeBytes };
    known.paths.push(path);
    known.needBytes += bytes;
    disks.set(disk, known);
  }
  const tight = [...disks.values()].filter((disk) => disk.freeBytes < disk.needBytes);
  const shown = (tight.length > 0 ? tight : [...disks.values()]).map(
    (disk) => `${showBytes(disk.freeBytes)} free for ${showBytes(disk.needBytes)} on ${disk.paths.join(', ')}`,
  );
  return verdict(tight.length === 0, `${shown.join('; ')}; ${describe(need)}`);
}

async function compareWithCommand(need: DiskNeed, command: string, run: CheckContext['run']): Promise<Finding> {
  const answer = await askCommand(command, run);
  if (answer.freeBytes === null) {
    const message = `free space is not known: ${answer.why}; ${describe(need)}`;
    return { outcome: 'unknown', message, hint: answer.hint };
  }
  return verdict(
    answer.freeBytes >= totalNeed(need),
    `${showBytes(answer.freeBytes)} free by checks.freeSpaceCommand; ${describe(need)}`,
  );
}

function verdict(enough: boolean, message: string): Finding {
  if (enough) return fine(message);
  return {
    outcome: 'failure',
    message,
    hint: 'free space or enlarge the disk; when the estimate is known to be too high: --skip-check disk-space',
  };
}

function describe(need: DiskNeed): string {
  const tables = need.tables.map(({ name, bytes }) => `${name} of ${showBytes(bytes)}`);
  const rewritten = tables.length === 0 ? '' : `, rewrites or copies ${firstOf(tables)}`;
  return `about ${showBytes(totalNeed(need))} needed with WAL (${showBytes(need.textBytes)} of pending SQL${rewritten}; UPDATE with WHERE, DO blocks and functions are not counted)`;
}
