import { isUtf8 } from 'node:buffer';
import { type Dirent, readdirSync, realpathSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { type Problem, PulseError } from '../errors.ts';
import type { Direction } from '../events.ts';
import { readSmallFile } from '../regular-file.ts';
import { visible } from '../visible.ts';
import { readFileName } from './file-name.ts';
import { largestInMemory } from './large-file.ts';
import type { FolderOptions, FolderWarning } from './migration.ts';

/** A file of a migration as found on disk, not yet read. */
export interface FoundFile {
  readonly fileName: string;
  /** As shown to people. */
  readonly path: string;
  readonly version: string;
  readonly number: bigint;
  readonly name: string;
  readonly direction: Direction;
  /** Null where the entry is not to be opened; its problem is told, and its name still makes a pair. */
  readonly read: (() => Content) | null;
}

/** What was read of a file, or why nothing was. */
export type Content = Uint8Array | OnDisk | { readonly problem: Problem };

/** A file that is too large to keep. */
export interface OnDisk {
  /** Where it is, which may be another name than the one that is shown. */
  readonly absolute: string;
}

/** Everything in a folder that matters, and what is wrong with its entries. */
export interface DirectoryContent {
  readonly files: readonly FoundFile[];
  readonly problems: readonly Problem[];
  readonly warnings: readonly FolderWarning[];
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : String(error);
}

const readFailures: Readonly<Record<string, string>> = {
  EACCES: 'give the user that runs pulse-migrate the right to read it',
  EPERM: 'give the user that runs pulse-migrate the right to read it',
  ENOENT: 'it went away while the folder was read; run the command again',
};

/** A name in a folder, and what has it. */
interface Entry extends Pick<Dirent, 'isFile' | 'isDirectory' | 'isSymbolicLink'> {
  readonly name: string;
  /** Bytes that are not UTF-8 are written as \xe9. */
  readonly isEscaped?: boolean;
}

/** As strings, which is faster, where that loses nothing: a name that is not UTF-8 would be read as one that is not there. */
function entriesOf(directory: string): Entry[] {
  const entries = readdirSync(directory, { withFileTypes: true });
  return entries.some(({ name }) => name.includes('\uFFFD'))
    ? readdirSync(directory, { withFileTypes: true, encoding: 'buffer' }).map(entryOf)
    : entries;
}

function entryOf(dirent: Dirent<Buffer>): Entry {
  const isEscaped = !isUtf8(dirent.name);
  const escaped = (letter: string) => `\\x${letter.charCodeAt(0).toString(16)}`;
  return {
    name: isEscaped ? dirent.name.toString('latin1').replaceAll(/[\x80-\xff]/g, escaped) : dirent.name.toString('utf8'),
    isEscaped,
    isFile: () => dirent.isFile(),
    isDirectory: () => dirent.isDirectory(),
    isSymbolicLink: () => dirent.isSymbolicLink(),
  };
}

/**
 * Lists a folder.
 * @throws {PulseError} `folder-invalid` when it is missing, is no folder, or cannot be read.
 */
function listDirectory(directory: string, shown: string): readonly Entry[] {
  try {
    return entriesOf(directory).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT') {
      throw new PulseError('folder-invalid', `the folder of migrations ${shown} does not exist`, {
        hint: 'create the first migration: pulse-migrate new NAME; or name the folder with --dir',
        location: { file: shown },
        cause: error,
      });
    }
    if (code === 'ENOTDIR') {
      throw new PulseError('folder-invalid', `${shown} is not a folder`, {
        hint: 'name the folder of migrations with --dir',
        location: { file: shown },
      });
    }
    throw new PulseError('folder-invalid', `the folder of migrations ${shown} cannot be read (${code})`, {
      hint: readFailures[code] ?? 'check the folder and run the command again',
      location: { file: shown },
      cause: error,
    });
  }
}

/** Versions that have a file in the folder, in no order; a folder that does not exist has none. Throws as `readFolder` does otherwise. */
export async function listVersions(directory: string, shown: string): Promise<readonly string[]> {
  try {
    const names = listDirectory(directory, shown).map((entry) => readFileName(entry.name));
    return [...new Set(names.flatMap((name) => (name.kind === 'migration' ? [name.version] : [])))];
  } catch (error) {
    if (error instanceof PulseError && errorCode(error.cause) === 'ENOENT') return [];
    throw error;
  }
}

/** Lists the folder once and finds every migration in it; throws only where the folder itself cannot be listed. */
export function readDirectory({ directory, shown }: Pick<FolderOptions, 'directory' | 'shown'>): DirectoryContent {
  const entries = listDirectory(directory, shown);
  const place = { within: join(directory, sep), prefix: `${shown.replace(/\/$/, '')}/`, root: realpathSync(directory) };
  const files: FoundFile[] = [];
  const problems: Problem[] = [];
  const warnings: FolderWarning[] = [];
  for (const entry of entries) {
    const { file, problem, warning } = findFile(entry, place);
    if (file) files.push(file);
    if (problem) problems.push(problem);
    if (warning) warnings.push(warning);
  }
  return { files, problems, warnings };
}

interface Place {
  /** What stands before a name that is opened. */
  readonly within: string;
  /** What stands before a name that is shown. */
  readonly prefix: string;
  /** The directory with all links followed. */
  readonly root: string;
}

interface Found {
  readonly file?: FoundFile;
  readonly problem?: Problem;
  readonly warning?: FolderWarning;
}

const notUtf8: [message: string, hint: string] = [
  'the name of the file is not UTF-8',
  'rename it with letters a-z, digits and underscores',
];

function findFile(entry: Entry, place: Place): Found {
  const name = readFileName(entry.name);
  // What has the name of a migration holds nothing that would have to be made visible.
  const path = place.prefix + (name.kind === 'migration' ? entry.name : visible(entry.name));
  const refused = (message: string, hint: string) => ({ problem: { message, hint, location: { file: path } } });
  if (name.kind === 'not-sql') return {};
  if (name.kind === 'other-sql') {
    return {
      warning: {
        path,
        message: 'an SQL file that is no migration: it is not run',
        hint: 'a migration is named VERSION_NAME.up.sql; move other SQL out of the folder',
      },
    };
  }
  if (name.kind === 'problem') return entry.isEscaped ? refused(...notUtf8) : refused(name.message, name.hint);
  const absolute = place.within + entry.name;
  const { version, direction } = name;
  const found = (read: FoundFile['read']) => ({
    fileName: entry.name,
    path,
    version,
    number: BigInt(version),
    name: name.name,
    direction,
    read,
  });
  const obstacle = entry.isEscaped ? notUtf8 : obstacleToReading(entry, absolute, place);
  if (obstacle) return { file: found(null), ...refused(...obstacle) };
  return { file: found(() => contentOf(absolute, path)) };
}

function contentOf(absolute: string, path: string): Content {
  try {
    return readSmallFile(absolute, largestInMemory) ?? { absolute };
  } catch (error) {
    const code = errorCode(error);
    const hint = readFailures[code] ?? 'check the file and run the command again';
    return { problem: { message: `the file cannot be read (${code})`, hint, location: { file: path } } };
  }
}

/** Why an entry named like a migration is not to be opened: reading a named pipe would wait for ever, a link may lead anywhere. */
function obstacleToReading(entry: Entry, absolute: string, { root }: Place): [message: string, hint: string] | null {
  if (entry.isFile()) return null;
  if (entry.isDirectory()) return ['a folder has the name of a migration', 'move it out of the folder, or rename it'];
  if (!entry.isSymbolicLink())
    return ['what has the name of a migration is not a file', 'replace it by a regular file'];
  try {
    const target = realpathSync(absolute);
    if (!target.startsWith(root.endsWith(sep) ? root : root + sep)) {
      return ['the link leads out of the folder of migrations', 'put the file itself into the folder'];
    }
    if (!statSync(target).isFile()) return ['the link does not lead to a file', 'put the file itself into the folder'];
    return null;
  } catch (error) {
    return [`the link leads nowhere (${errorCode(error)})`, 'put the file itself into the folder, or remove the link'];
  }
}
