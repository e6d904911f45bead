import { type Problem, PulseError } from '../errors.ts';
import { HashedFile, hashBytes, hashLargeFile, KnownFile } from './hashed-file.ts';
import type { Folder, FolderOptions, FolderWarning, Migration, MigrationFile } from './migration.ts';
import { type FoundFile, readDirectory } from './read-directory.ts';
import { sortVersions } from './version-order.ts';

/** A file with its name; `hashed` is null where its content cannot be read, which is a problem of its own. */
interface ReadFile {
  readonly found: FoundFile;
  readonly hashed: HashedFile | null;
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
 * A folder as it stands to what is applied. A file that is what it was when it was applied was accepted then, and is
 * not taken apart again; its warnings are not told again either.
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

/**
 * Reads a whole folder and takes nothing apart yet: that waits until it is known what is applied.
 * @throws {PulseError} `folder-invalid` for what is wrong with names, pairs, order and encodings; then with all other
 * problems of all files.
 */
export async function readFolderFor(options: FolderOptions): Promise<FolderFor> {
  const content = await readDirectory(options);
  const findings: Findings = { problems: [...content.problems], warnings: [...content.warnings] };
  const files = content.files.map((found): ReadFile => ({ found, hashed: hashFound(found, options, findings) }));
  const pairs = pairFiles(files, options, findings);
  const ordered = sortVersions(pairs, options.order);
  if ('disagreement' in ordered) findings.problems.push(orderProblem(ordered.disagreement));
  if (findings.problems.length > 0 || !('sorted' in ordered)) {
    for (const { hashed } of files) if (hashed !== null) takeApart(hashed, findings);
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
    const file = fileOf(up, row?.upChecksum, findings);
    const undo = down && fileOf(down, row?.downChecksum, findings);
    return file ? [{ version, number, name: up.found.name, up: file, down: undo }] : [];
  });
  if (findings.problems.length > 0) throw folderError(options, findings.problems);
  return {
    path: options.shown,
    migrations,
    warnings: findings.warnings.toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0)),
  };
}

function fileOf({ hashed }: ReadFile, known: string | null | undefined, findings: Findings): MigrationFile | null {
  if (hashed === null) return null;
  return hashed.checksum === known ? new KnownFile(hashed) : takeApart(hashed, findings);
}

function takeApart(hashed: HashedFile, findings: Findings): MigrationFile | null {
  const { file, problems, warnings } = hashed.parsed();
  findings.problems.push(...problems);
  findings.warnings.push(...warnings);
  return file;
}

function hashFound(
  { bytes, path, direction }: FoundFile,
  { allowEmpty, transaction }: FolderOptions,
  findings: Findings,
): HashedFile | null {
  if (bytes === null) return null;
  const source = { path, direction, allowEmpty, transaction };
  const hashed = 'absolute' in bytes ? hashLargeFile(bytes.absolute, source) : hashBytes(bytes, source);
  if (hashed instanceof HashedFile) return hashed;
  findings.problems.push(hashed.problem);
  return null;
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
  if (down === null && requireDown && up.bytes !== null) findings.problems.push(missingDown(up));
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
