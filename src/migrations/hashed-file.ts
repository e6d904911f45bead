import { type Problem, PulseError } from '../errors.ts';
import { checksumOfBytes } from './checksum.ts';
import { type DecodeProblem, decodeProblem, textOf } from './decode.ts';
import { FileChanged } from './file-text.ts';
import { type LargeFile, readLargeFile } from './large-file.ts';
import type { MigrationFile } from './migration.ts';
import { type FileSource, type ParsedFile, parseHashedText, parseMigrationText } from './parse-file.ts';

/** A file that went away before it was taken apart. */
interface GoneFile extends Pick<ParsedFile, 'problems' | 'warnings'> {
  readonly file: null;
}

interface HashedBytes {
  readonly bytes: Uint8Array;
  readonly checksum: string;
}

/** A file that was read and hashed; it is taken apart when somebody asks, and only once. */
export class HashedFile {
  readonly #content: HashedBytes | LargeFile;
  readonly #source: FileSource;
  #parsed: ParsedFile | GoneFile | null = null;

  constructor(content: HashedBytes | LargeFile, source: FileSource) {
    this.#content = content;
    this.#source = source;
  }

  /** Throws `FileChanged` for a large file, which is hashed only now. */
  get checksum(): string {
    return 'text' in this.#content ? this.#content.text.checksum.value() : this.#content.checksum;
  }

  parsed(): ParsedFile | GoneFile {
    this.#parsed ??=
      'text' in this.#content
        ? parseLarge(this.#content, this.#source)
        : parseMigrationText(textOf(this.#content.bytes), this.#source, this.#content.checksum);
    return this.#parsed;
  }
}

function parseLarge(file: LargeFile, source: FileSource): ParsedFile | GoneFile {
  try {
    const { text, mixesLineEnds } = file;
    return parseHashedText({ text, checksum: () => text.checksum.value(), mixesLineEnds }, source);
  } catch (error) {
    return { file: null, problems: [changedProblem(error, source)], warnings: [] };
  } finally {
    file.text.release();
  }
}

/** Bytes that are no text have no checksum, but a problem. */
export type Hashed = HashedFile | { readonly problem: Problem };

/** Hashes the bytes of one file. */
export function hashBytes(bytes: Uint8Array, source: FileSource): Hashed {
  const problem = decodeProblem(bytes);
  return problem === null
    ? new HashedFile({ bytes, checksum: checksumOfBytes(bytes) }, source)
    : { problem: problemIn(source, problem) };
}

/** As `hashBytes`, of a file that is too large to keep, read in blocks. */
export function hashLargeFile(path: string, source: FileSource, blockBytes?: number): Hashed {
  try {
    const file = readLargeFile(path, source.path, blockBytes);
    return 'problem' in file ? { problem: problemIn(source, file.problem) } : new HashedFile(file, source);
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

/** A file that was accepted before, as the ledger says: read and taken apart for whoever asks for its content. */
export class KnownFile implements MigrationFile {
  readonly path: string;
  readonly #open: () => Hashed;

  constructor(path: string, open: () => Hashed) {
    this.path = path;
    this.#open = open;
  }

  get checksum() {
    return this.#hashed.checksum;
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

  get #hashed(): HashedFile {
    const hashed = this.#open();
    if (hashed instanceof HashedFile) return hashed;
    throw this.#refused([hashed.problem]);
  }

  get #file(): MigrationFile {
    const { file, problems } = this.#hashed.parsed();
    if (file !== null && problems.length === 0) return file;
    throw this.#refused(problems);
  }

  #refused(problems: readonly Problem[]): PulseError {
    return new PulseError('folder-invalid', `${this.path} is applied, and is refused now`, { problems });
  }
}
