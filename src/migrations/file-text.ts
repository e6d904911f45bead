import { Buffer, constants } from 'node:buffer';
import { PulseError } from '../errors.ts';
import { type FileIdentity, readPart } from '../regular-file.ts';
import { FileChecksum } from './file-checksum.ts';

const nothing = Buffer.alloc(0);

/** A file is not what it was when it was looked at first, or not there any more. */
export class FileChanged extends PulseError {
  constructor(shown: string, cause: unknown) {
    super('migration-failed', 'the file was changed while it was being read', {
      hint: 'leave the files alone while a command runs, and run it again',
      location: { file: shown },
      ...(cause !== undefined && { cause }),
    });
  }
}

/** What is read from a file for a message about something else; null where the file is not the same any more. */
export function unlessChanged<Result>(read: () => Result): Result | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof FileChanged) return null;
    throw error;
  }
}

/** How a file is read. */
interface Reading {
  /** Bytes of a byte order mark. */
  readonly skipped: number;
  /** What is read at once. */
  readonly blockBytes: number;
}

/**
 * UTF-8 text that stays on the disk, for files that are too large to keep in memory. Offsets count bytes from behind a
 * byte order mark. Made to be read forwards. Each read makes sure that it is still the file that was looked at first.
 */
export class FileText {
  readonly length: number;
  readonly checksum: FileChecksum;
  readonly #path: string;
  readonly #shown: string;
  readonly #identity: FileIdentity;
  readonly #skipped: number;
  readonly #blockBytes: number;
  #block: Buffer = nothing;
  #from = 0;

  constructor(path: string, shown: string, identity: FileIdentity, { skipped, blockBytes }: Reading) {
    this.#path = path;
    this.#shown = shown;
    this.#identity = identity;
    this.#skipped = skipped;
    this.#blockBytes = blockBytes;
    this.length = Number(identity.size) - skipped;
    this.checksum = new FileChecksum(this, blockBytes);
  }

  /** The byte at `offset`, NaN outside of the text. */
  charCodeAt(offset: number): number {
    const at = offset - this.#from;
    if (at >= 0 && at < this.#block.length) return this.#block[at] ?? Number.NaN;
    if (!(offset >= 0 && offset < this.length)) return Number.NaN;
    this.#load(offset);
    return this.#block[0] ?? Number.NaN;
  }

  /**
   * The text between two offsets, which must not cut a character.
   * @throws {PulseError} `not-possible` for a part that is longer than a string can be.
   */
  slice(start = 0, end = this.length): string {
    const [from, to] = [Math.min(start, this.length), Math.min(end, this.length)];
    if (to <= from) return '';
    if (to - from > constants.MAX_STRING_LENGTH) {
      throw new PulseError('not-possible', `${this.#shown} is too large to be shown or sent in one piece`, {
        hint: 'divide it into several migrations',
      });
    }
    if (to - from > this.#blockBytes) return this.bytes(from, to).toString('utf8');
    if (from < this.#from || to > this.#from + this.#block.length) this.#load(from);
    return this.#block.toString('utf8', from - this.#from, to - this.#from);
  }

  /** The bytes between two offsets. Throws as `assertUnchanged` does. */
  bytes(start: number, end: number): Buffer {
    try {
      const part = readPart(this.#path, this.#identity, start + this.#skipped, end - start);
      if (part !== null) return part;
    } catch (cause) {
      throw this.#changed(cause);
    }
    throw this.#changed();
  }

  /** The first place at or behind `from` where `needle` stands, or -1. */
  indexOf(needle: string, from: number): number {
    const [wanted, length] = soughtIn(needle);
    let at = from;
    if (at >= this.#from && at < this.#from + this.#block.length) {
      const found = this.#block.indexOf(wanted, at - this.#from);
      if (found >= 0) return this.#from + found;
      at = Math.max(at, this.#from + this.#block.length - length + 1);
    }
    // A dollar quote may have a tag of any length.
    const bytes = Math.max(this.#blockBytes, 2 * length);
    for (; at < this.length; at += bytes - length + 1) {
      this.#load(at, bytes);
      const found = this.#block.indexOf(wanted);
      if (found >= 0) return at + found;
    }
    return -1;
  }

  /** Lets go of what was read last; a folder may hold many such files. */
  release(): void {
    this.#block = nothing;
  }

  /** @throws {FileChanged} when the file is not the one any more that was looked at first. */
  assertUnchanged(): void {
    this.bytes(0, 0);
  }

  #load(offset: number, bytes = this.#blockBytes): void {
    this.#block = this.bytes(offset, Math.min(this.length, offset + bytes));
    this.#from = offset;
  }

  #changed(cause?: unknown): FileChanged {
    return new FileChanged(this.#shown, cause);
  }
}

/** What to search bytes for, and its length in bytes: a single character of ASCII is found fastest by its number. */
function soughtIn(needle: string): [sought: number | Buffer, length: number] {
  if (needle.length === 1 && needle < '\x80') return [needle.charCodeAt(0), 1];
  const bytes = Buffer.from(needle);
  return [bytes, bytes.length];
}
