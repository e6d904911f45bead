import { type Problem, PulseError } from '../errors.ts';
import { unlessChanged } from './file-text.ts';
import { type Hashed, HashedFile, hashBytes, hashLargeFile, KnownFile } from './hashed-file.ts';
import type { Folder, FolderOptions, FolderWarning, Migration, MigrationFile } from './migration.ts';
import type { FileSource } from './parse-file.ts';
import { type Content, type FoundFile, readDirectory } from './read-directory.ts';
import { sortVersions } from './version-order.ts';

/** A file with its name; it is read when it is opened first. `open` is null where it is not to be opened at all. */
interface ReadFile {
  readonly found: FoundFile;
  readonly open: (() => Hashed) | null;
}

/** A version with its files, before anything is known of their content. */
interface Pair {
  readonly version: string;
  readonly number: bigint;
  readonly up: ReadFile;
  readonly down: ReadFile | null;
}

interface Findings {
  readonly problems: Problem[];
  readonly warnings: FolderWarning[];
}

/** The files that a ledger recorded when a migration was applied. */
export interface RecordedFiles {
  readonly number: bigint;
  readonly upChecksum: string | null;
  readonly downChecksum: string | null;
}

/**
 * A folder as it stands to what is applied. A migration whose up is what it was when it was applied was accepted then:
 * neither of its files is taken apart again, and its down is not even read; its warnings are not told again either.
 * @throws {PulseError} `folder-invalid` with all problems of all other files at once.
 */
export type FolderFor = (applied: readonly RecordedFiles[]) => Folder;

/**
 * Reads a whole folder: every file decoded, hashed and taken apart before anything connects to a server, since a
 * folder that is refused halfway would leave the first half applied.
 * @throws {PulseError} `folder-invalid` with all problems of all files at once.
 */
export async function readFolder(options: FolderOptions): Promise<Folder> {
  const folderFor = await readFolderFor(options);
  return folderFor([]);
}

/** Between so many files a signal is heard. */
const filesAtOnce = 256;

/**
 * Reads the ups of a whole folder and takes nothing apart yet: that waits until it is known what is applied.
 * @throws {PulseError} `folder-invalid` for what is wrong with names, pairs, order and the encodings of ups; then with
 * all other problems of all files.
 */
export async function readFolderFor(options: FolderOptions): Promise<FolderFor> {
  const content = readDirectory(options);
  const findings: Findings = { problems: [...content.problems], warnings: [...content.warnings] };
  const files = content.files.map((found): ReadFile => ({ found, open: opening(found, options) }));
  let isUnreadable = false;
  for (const [at, { found, open }] of files.entries()) {
    if (at % filesAtOnce === filesAtOnce - 1) await new Promise((resolve) => setImmediate(resolve));
    // Opened although one before it is unreadable: where all is well this is what reads them.
    if (found.direction === 'up' && open !== null && 'problem' in open()) isUnreadable = true;
  }
  const pairs = pairFiles(files, options, findings);
  const ordered = sortVersions(pairs, options.order);
  if ('disagreement' in ordered) findings.problems.push(orderProblem(ordered.disagreement));
  if (isUnreadable || findings.problems.length > 0 || !('sorted' in ordered)) {
    for (const file of files) takeApart(file, findings);
    throw folderError(options, findings.problems);
  }
  if (pairs.length === 0) throw emptyFolder(options, findings.warnings);
  return (applied) => folderOf(ordered.sorted, options, applied, findings.warnings);
}

function folderOf(
  pairs: readonly Pair[],
  options: FolderOptions,
  applied: readonly RecordedFiles[],
  warnings: readonly FolderWarning[],
): Folder {
  const findings: Findings = { problems: [], warnings: [...warnings] };
  const recorded = new Map(applied.map((row) => [row.number, row]));
  const migrations = pairs.flatMap(({ version, number, up, down }): Migration[] => {
    const row = recorded.get(number);
    const isKnown = isAsRecorded(up, row?.upChecksum);
    const isDownKnown = isKnown || (down !== null && isAsRecorded(down, row?.downChecksum));
    const file = isKnown ? knownFile(up) : takeApart(up, findings);
    const undo = down && (isDownKnown ? knownFile(down) : takeApart(down, findings));
    return file ? [{ version, number, name: up.found.name, up: file, down: undo }] : [];
  });
  if (findings.problems.length > 0) throw folderError(options, findings.problems);
  return {
    path: options.shown,
    migrations,
    warnings: findings.warnings.toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0)),
  };
}

/** A large file that is being changed is not: what takes it apart then tells so. */
function isAsRecorded({ open }: ReadFile, checksum: string | null | undefined): boolean {
  if (checksum === null || checksum === undefined) return false;
  const hashed = open?.();
  return hashed instanceof HashedFile && unlessChanged(() => hashed.checksum) === checksum;
}

function knownFile({ found, open }: ReadFile): MigrationFile | null {
  return open === null ? null : new KnownFile(found.path, open);
}

function takeApart({ open }: ReadFile, findings: Findings): MigrationFile | null {
  const hashed = open?.();
  if (hashed === undefined) return null;
  if ('problem' in hashed) {
    findings.problems.push(hashed.problem);
    return null;
  }
  const { file, problems, warnings } = hashed.parsed();
  findings.problems.push(...problems);
  findings.warnings.push(...warnings);
  return file;
}

/** Reads and hashes the file, once. */
function opening({ read, path, direction }: FoundFile, options: FolderOptions): (() => Hashed) | null {
  if (read === null) return null;
  const source = { path, direction, allowEmpty: options.allowEmpty, transaction: options.transaction };
  let hashed: Hashed | undefined;
  return () => {
    hashed ??= hashContent(read(), source);
    return hashed;
  };
}

function hashContent(content: Content, source: FileSource): Hashed {
  if ('problem' in content) return content;
  return 'absolute' in content ? hashLargeFile(content.absolute, source) : hashBytes(content, source);
}

/** Puts ups and downs of one number together: 0001 and 1 are one version, since every tool that reads a number says so. */
function pairFiles(files: readonly ReadFile[], options: FolderOptions, findings: Findings): readonly Pair[] {
  const versions = new Map<bigint, { ups: ReadFile[]; downs: ReadFile[] }>();
  for (const file of files) {
    const { number, direction } = file.found;
    const group = versions.get(number) ?? { ups: [], downs: [] };
    (direction === 'up' ? group.ups : group.downs).push(file);
    versions.set(number, group);
  }
  const pairs: Pair[] = [];
  for (const [number, { ups, downs }] of versions) {
    for (const same of [ups, downs]) if (same.length > 1) findings.problems.push(...duplicates(same));
    const up = ups[0];
    const down = downs[0] ?? null;
    if (up === undefined) findings.problems.push(...downs.map(orphan));
    else {
      examinePair(up.found, down?.found ?? null, options, findings);
      pairs.push({ version: up.found.version, number, up, down });
    }
  }
  return pairs;
}

function examinePair(up: FoundFile, down: FoundFile | null, { requireDown }: FolderOptions, findings: Findings): void {
  if (down === null && requireDown && up.read !== null) findings.problems.push(missingDown(up));
  if (down !== null && (down.name !== up.name || down.version !== up.version)) {
    findings.warnings.push({
      path: down.path,
      message: `the down file has another name than its up file, ${up.fileName}; they are taken as a pair by version`,
      hint: `rename it to ${withDirection(up, 'down')}`,
    });
  }
}

function withDirection(file: FoundFile, direction: 'up' | 'down'): string {
  return file.fileName.replace(/\.(?:up|down)\.sql$/, `.${direction}.sql`);
}

function duplicates([first, ...others]: readonly ReadFile[]): Problem[] {
  return others.map(({ found: other }) => ({
    message: `two ${other.direction} files have the version ${BigInt(other.version)}: ${first?.found.fileName} and ${other.fileName}`,
    hint: 'give one of them another number, in both its files',
    location: { file: other.path },
  }));
}

function orphan({ found: down }: ReadFile): Problem {
  return {
    message: 'a down file without an up file',
    hint: `add ${withDirection(down, 'up')}, or delete the file`,
    location: { file: down.path },
  };
}

function missingDown(up: FoundFile): Problem {
  return {
    message: 'an up file without a down file',
    hint:
      `write ${withDirection(up, 'down')} (one that cannot be undone holds a line: -- pulse: irreversible REASON), ` +
      'or set requireDown: false in the configuration for a folder that never had downs',
    location: { file: up.path },
  };
}

function orderProblem([lower, higher]: readonly [Pair, Pair]): Problem {
  return {
    message:
      `order by number and order by text disagree: ${lower.up.found.fileName} has the lower number, ` +
      `${higher.up.found.fileName} comes first in a listing`,
    hint: 'set order: number (or order: text) in the configuration, as the folder has been applied until now',
    location: { file: higher.up.found.path },
  };
}

function byPlace(a: Problem, b: Problem): number {
  const [fileA = '', fileB = ''] = [a.location?.file, b.location?.file];
  if (fileA !== fileB) return fileA < fileB ? -1 : 1;
  return (a.location?.line ?? 0) - (b.location?.line ?? 0);
}

function folderError({ shown }: FolderOptions, problems: readonly Problem[]): PulseError {
  const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
  return new PulseError('folder-invalid', `the folder of migrations ${shown} has ${count}; nothing was run`, {
    problems: problems.toSorted(byPlace),
  });
}

function emptyFolder({ shown }: FolderOptions, warnings: readonly FolderWarning[]): PulseError {
  return new PulseError('folder-invalid', `there are no migrations in ${shown}`, {
    hint: 'create the first one: pulse-migrate new NAME; or name another folder with --dir',
    location: { file: shown },
    problems: warnings.map(({ path, message, hint }) => ({ message, ...(hint && { hint }), location: { file: path } })),
  });
}
