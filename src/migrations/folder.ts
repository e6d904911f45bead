import { type Problem, PulseError } from '../errors.ts';
import type { Folder, FolderOptions, FolderWarning, Migration } from './migration.ts';
import { type ParsedFile, parseLargeFile, parseMigrationBytes } from './parse-file.ts';
import { type FoundFile, readDirectory } from './read-directory.ts';
import { sortVersions } from './version-order.ts';

/** A version with its files, before anything is known of their content. */
interface Pair {
  readonly version: string;
  readonly number: bigint;
  readonly up: FoundFile;
  readonly down: FoundFile | null;
}

interface Findings {
  readonly problems: Problem[];
  readonly warnings: FolderWarning[];
}

/**
 * Reads a whole folder: every file decoded, hashed and taken apart before anything connects to a server, since a
 * folder that is refused halfway would leave the first half applied.
 * @throws {PulseError} `folder-invalid` with all problems of all files at once.
 */
export async function readFolder(options: FolderOptions): Promise<Folder> {
  const content = await readDirectory(options);
  const findings: Findings = { problems: [...content.problems], warnings: [...content.warnings] };
  const pairs = pairFiles(content.files, options, findings);
  const parsed = new Map(
    content.files.flatMap((file) => {
      const result = parseFound(file, options, findings);
      return result ? [[file, result] as const] : [];
    }),
  );
  const ordered = sortVersions(pairs, options.order);
  if ('disagreement' in ordered) findings.problems.push(orderProblem(ordered.disagreement));
  if (findings.problems.length > 0) throw folderError(options, findings.problems);
  if (pairs.length === 0) throw emptyFolder(options, findings.warnings);
  const sorted = 'sorted' in ordered ? ordered.sorted : [];
  return {
    path: options.shown,
    migrations: sorted.flatMap((pair) => migrationOf(pair, parsed)),
    warnings: findings.warnings.toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0)),
  };
}

function migrationOf(pair: Pair, parsed: ReadonlyMap<FoundFile, ParsedFile>): Migration[] {
  const up = parsed.get(pair.up)?.file;
  const down = pair.down === null ? null : (parsed.get(pair.down)?.file ?? null);
  return up ? [{ version: pair.version, number: pair.number, name: pair.up.name, up, down }] : [];
}

function parseFound(found: FoundFile, options: FolderOptions, findings: Findings): ParsedFile | null {
  const { allowEmpty, transaction } = options;
  if (found.bytes === null) return null;
  const source = { path: found.path, direction: found.direction, allowEmpty, transaction };
  const result =
    'absolute' in found.bytes ? parseLargeFile(found.bytes.absolute, source) : parseMigrationBytes(found.bytes, source);
  if ('problem' in result) {
    findings.problems.push(result.problem);
    return null;
  }
  findings.problems.push(...result.problems);
  findings.warnings.push(...result.warnings);
  return result;
}

/** Puts ups and downs of one number together: 0001 and 1 are one version, since every tool that reads a number says so. */
function pairFiles(files: readonly FoundFile[], options: FolderOptions, findings: Findings): readonly Pair[] {
  const versions = new Map<bigint, { ups: FoundFile[]; downs: FoundFile[] }>();
  for (const file of files) {
    const group = versions.get(file.number) ?? { ups: [], downs: [] };
    (file.direction === 'up' ? group.ups : group.downs).push(file);
    versions.set(file.number, group);
  }
  const pairs: Pair[] = [];
  for (const [number, { ups, downs }] of versions) {
    findings.problems.push(...duplicates(ups), ...duplicates(downs));
    const [up] = ups;
    const [down = null] = downs;
    if (!up) {
      findings.problems.push(...downs.map(orphan));
      continue;
    }
    if (down === null && options.requireDown && up.bytes !== null) findings.problems.push(missingDown(up));
    if (down !== null && (down.name !== up.name || down.version !== up.version)) {
      findings.warnings.push({
        path: down.path,
        message: `the down file has another name than its up file, ${up.fileName}; they are taken as a pair by version`,
        hint: `rename it to ${withDirection(up, 'down')}`,
      });
    }
    pairs.push({ version: up.version, number, up, down });
  }
  return pairs;
}

function withDirection(file: FoundFile, direction: 'up' | 'down'): string {
  return file.fileName.replace(/\.(?:up|down)\.sql$/, `.${direction}.sql`);
}

function duplicates([first, ...others]: readonly FoundFile[]): Problem[] {
  return others.map((other) => ({
    message: `two ${other.direction} files have the version ${BigInt(other.version)}: ${first?.fileName} and ${other.fileName}`,
    hint: 'give one of them another number, in both its files',
    location: { file: other.path },
  }));
}

function orphan(down: FoundFile): Problem {
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
      `order by number and order by text disagree: ${lower.up.fileName} has the lower number, ` +
      `${higher.up.fileName} comes first in a listing`,
    hint: 'set order: number (or order: text) in the configuration, as the folder has been applied until now',
    location: { file: higher.up.path },
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
