import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PulseError } from '../errors.ts';
import { makeDirectories } from '../make-directories.ts';
import { nextVersion } from './numbering.ts';

/** Two files to be written. */
export interface NewPair {
  readonly version: string;
  readonly name: string;
  readonly up: { readonly fileName: string; readonly text: string };
  readonly down: { readonly fileName: string; readonly text: string };
}

const longestName = 100;

/**
 * A name of a-z, 0-9 and _ from what was typed: `Add User-Index` becomes add_user_index, accents are dropped.
 * @throws {PulseError} `usage` when nothing is left, for a path, and for more than 100 characters.
 */
function migrationName(typed: string): string {
  if (/[/\\\0]|\.\./.test(typed)) {
    throw new PulseError('usage', `"${typed}" is a path, not a name for a migration`, {
      hint: 'give words only, for example: pulse-migrate new add_reading_index; the folder is chosen with --dir',
    });
  }
  const name = typed
    .normalize('NFKD')
    .replace(/\p{Mark}+/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .replace(/^_+|_+$/g, '');
  if (name === '') {
    throw new PulseError('usage', `"${typed}" leaves no letters or digits for a file name`, {
      hint: 'say in a few words what the migration does: pulse-migrate new add_reading_index',
    });
  }
  if (name.length > longestName) {
    throw new PulseError('usage', `the name has ${name.length} characters, and ${longestName} are the most`, {
      hint: 'give a shorter name; the whole story goes into a comment at the top of the file',
    });
  }
  return name;
}

function upText(name: string): string {
  return `-- ${name.replaceAll('_', ' ')}
--
-- Write what the migration does below, and why it is needed here. The whole file runs in one transaction together
-- with its row in the ledger. For CREATE INDEX CONCURRENTLY and the like, make this the first line:
-- "-- pulse: no-transaction"

`;
}

function downText(name: string, version: string): string {
  return `-- undo: ${name.replaceAll('_', ' ')}
--
-- Write the SQL that undoes ${version} below; "pulse-migrate up" refuses the pair as long as this file holds comments only.
-- If it cannot be undone, say so by this line with the reason in place of REASON (the quotes are not part of it):
-- "-- pulse: irreversible REASON"

`;
}

/**
 * Plans the pair of files that follows the versions a folder has, in the folder's own numbering.
 * @throws {PulseError} `usage` for a name that cannot be one, `folder-invalid` when the numbers of the folder's width are used up.
 */
export function planNewPair(existing: { readonly versions: readonly string[] }, typedName: string, now: Date): NewPair {
  const name = migrationName(typedName);
  const version = nextVersion(existing.versions, now);
  if (version === null) {
    throw new PulseError('folder-invalid', 'all numbers of the width that the folder uses are taken', {
      hint: 'set order: number in the configuration and name the next pair of files by hand, with one digit more',
    });
  }
  return {
    version,
    name,
    up: { fileName: `${version}_${name}.up.sql`, text: upText(name) },
    down: { fileName: `${version}_${name}.down.sql`, text: downText(name, version) },
  };
}

/**
 * Writes both files, creating the folder where it is missing; an existing file is never overwritten.
 * @throws {PulseError} `folder-invalid` when a file exists already or cannot be written; then neither is left.
 */
export async function writeNewPair(
  folder: { readonly directory: string; readonly shown: string },
  pair: NewPair,
): Promise<void> {
  let shown = folder.shown;
  const written: string[] = [];
  try {
    await makeDirectories(folder.directory);
    for (const { fileName, text } of [pair.up, pair.down]) {
      shown = `${folder.shown}/${fileName}`;
      const path = join(folder.directory, fileName);
      // Opened first, since a file that was opened and could not be filled is ours to remove, one that stood there is not.
      const file = await open(path, 'wx');
      written.push(path);
      await file.writeFile(text).finally(() => file.close());
    }
  } catch (error) {
    await Promise.all(written.map((path) => rm(path, { force: true })));
    const exists = error instanceof Error && 'code' in error && error.code === 'EEXIST';
    const reason = error instanceof Error ? error.message.replace(/,.*$/s, '') : String(error);
    throw new PulseError(
      'folder-invalid',
      exists ? `${shown} exists already` : `${shown} cannot be written: ${reason}`,
      {
        hint: exists ? 'run the command again for the next number' : 'check the folder and its rights',
        location: { file: shown },
        cause: error,
      },
    );
  }
}
