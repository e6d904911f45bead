import { type Problem, PulseError } from '../errors.ts';
import { checksumOfBytes } from './checksum.ts';
import { type DecodeProblem, decodeProblem, textOf } from './decode.ts';
import { FileChanged } from './file-text.ts';
import { readLargeFile } from './large-file.ts';
import type { MigrationFile } from './migration.ts';
import { type FileSource, type ParsedFile, parseHashedText, parseMigrationText } from './parse-file.ts';

/** A file that went away before it was taken apart. */
interface GoneFile extends Pick<ParsedFile, 'problems' | 'warnings'> {
  readonly file: null;
}

/** A file that was read and hashed; it is taken apart when somebody asks, and only once. */
export class HashedFile {
  readonly path: string;
  readonly checksum: string;
  readonly #parse: () => ParsedFile | GoneFile;
  #parsed: ParsedFile | GoneFile | null = null;

  constructor(path: string, checksum: string, parse: () => ParsedFile | GoneFile) {
    this.path = path;
    this.checksum = checksum;
    this.#parse = parse;
  }

  parsed(): ParsedFile | GoneFile {
    this.#parsed ??= this.#parse();
    return this.#parsed;
  }
}

/** Bytes that are no text have no checksum, but a problem. */
type Hashed = HashedFile | { readonly problem: Problem };

/** Hashes the bytes of one file. */
export function hashBytes(bytes: Uint8Array, source: FileSource): Hashed {
  const problem = decodeProblem(bytes);
  if (problem !== null) return { problem: problemIn(source, problem) };
  const checksum = checksumOfBytes(bytes);
  return new HashedFile(source.path, checksum, () => parseMigrationText(textOf(bytes), source, checksum));
}

/** As `hashBytes`, of a file that is too large to keep, read in blocks. */
export function hashLargeFile(path: string, source: FileSource, blockBytes?: number): Hashed {
  try {
    const file = readLargeFile(path, source.path, blockBytes);
    if ('problem' in file) return { problem: problemIn(source, file.problem) };
    return new HashedFile(source.path, file.checksum, () => {
      try {
        return parseHashedText(file, source);
      } catch (error) {
        return { file: null, problems: [changedProblem(error, source)], warnings: [] };
      } finally {
        file.text.release();
      }
    });
  } catch (error) {
    return { problem: changedProblem(error, source) };
  }
}

function problemIn(source: FileSource, { message, hint, line }: DecodeProblem): Problem {
  return { message, hint, location: { file: source.path, ...(line !== undefined && { line }) } };
}

function changedProblem(error: unknown, source: FileSource): Problem {
  if (!(error instanceof FileChanged)) throw error;
  return { message: error.message, hint: error.hint, location: { file: source.path } };
}

/** A file that the ledger knows by its checksum, so that it was accepted before: taken apart for whoever asks for its content. */
export class KnownFile implements MigrationFile {
  readonly path: string;
  readonly checksum: string;
  readonly #hashed: HashedFile;

  constructor(hashed: HashedFile) {
    this.path = hashed.path;
    this.checksum = hashed.checksum;
    this.#hashed = hashed;
  }

  get text() {
    return this.#file.text;
  }

  get directives() {
    return this.#file.directives;
  }

  get statements() {
    return this.#file.statements;
  }

  get mode() {
    return this.#file.mode;
  }

  get transactionModes() {
    return this.#file.transactionModes;
  }

  get leftOut() {
    return this.#file.leftOut;
  }

  get #file(): MigrationFile {
    const { file, problems } = this.#hashed.parsed();
    if (file !== null && problems.length === 0) return file;
    throw new PulseError('folder-invalid', `${this.path} is applied, and is refused now`, { problems });
  }
}
