import { createTwoFilesPatch } from 'diff';
import { PulseError } from '../errors.ts';
import { readLedger, readRecordedSql } from '../ledger/read.ts';
import type { Folder, MigrationFile } from '../migrations/migration.ts';
import type { Session } from '../postgres/session.ts';
import { compare } from './compare.ts';
import { targetIndex } from './plan.ts';

export interface DiffResult {
  readonly version: string;
  readonly name: string;
  /** Unified diffs of up and down; a text that is the same is left out. */
  readonly patches: ReadonlyArray<{ readonly direction: 'up' | 'down'; readonly patch: string }>;
}

/**
 * What the files of a version changed against the text that was applied. Line ends are not compared, as they are not
 * part of the checksum.
 * @throws {PulseError} `target-unknown`; `not-possible` when the version is not applied, or its text was not kept and is
 * another one now.
 */
export async function diff(input: {
  readonly session: Session;
  readonly folder: Folder | null;
  readonly schema: string;
  readonly version: string;
}): Promise<DiffResult> {
  const standings = compare(input.folder, await readLedger(input.session, input.schema));
  const standing = standings[targetIndex(standings, input.version)];
  if (standing?.applied == null) {
    throw new PulseError(
      'not-possible',
      `${standing?.version ?? input.version} is not applied: there is no recorded text to compare with`,
      {
        hint: 'pulse-migrate status',
      },
    );
  }
  const recorded = await readRecordedSql(input.session, input.schema, standing.applied.id);
  const label = `${standing.version}_${standing.name}`;
  const patches = [
    patchOf('up', label, { text: recorded.up, checksum: recorded.upChecksum }, standing.migration?.up ?? null),
    patchOf('down', label, { text: recorded.down, checksum: recorded.downChecksum }, standing.migration?.down ?? null),
  ].filter((patch) => patch !== null);
  return { version: standing.version, name: standing.name, patches };
}

function patchOf(
  direction: 'up' | 'down',
  label: string,
  recorded: { readonly text: string | null; readonly checksum: string | null },
  file: MigrationFile | null,
): DiffResult['patches'][number] | null {
  if (recorded.text === null && recorded.checksum !== null) {
    if (recorded.checksum === file?.checksum) return null;
    throw new PulseError(
      'not-possible',
      `the ${direction} SQL of ${label} was not kept when it was applied, as it is larger than 1 MB; the file is another one now`,
      { hint: 'compare it with the file as it was then, from your version control' },
    );
  }
  const before = unixLines(recorded.text ?? '');
  const after = unixLines(file?.text.slice(0) ?? '');
  if (before === after) return null;
  const patch = createTwoFilesPatch(`applied/${label}.${direction}.sql`, file?.path ?? 'missing', before, after);
  return { direction, patch: patch.replace(/^=+\n/, '') };
}

function unixLines(text: string): string {
  return text.replaceAll('\r\n', '\n');
}
