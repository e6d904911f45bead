import { type BigIntStats, closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/** What a path names is there and is no regular file. */
export class NotAFile extends Error {
  /** The code that systems with a word for it use. */
  readonly code = 'EFTYPE';
  readonly kind: string;

  constructor(path: string, kind: string) {
    super(`${path} is ${kind}, not a file`);
    this.name = 'NotAFile';
    this.kind = kind;
  }
}

/**
 * Reads a file without ever waiting for one: a named pipe or a terminal would give its content when somebody writes,
 * which may be never. Throws what the file system says, and `NotAFile`.
 */
export async function readRegularFile(path: string): Promise<Buffer> {
  return withRegularFile(path, (file) => file.readFile());
}

/** As `readRegularFile`; null for a file of more bytes than `atMost`, which is not read. */
export async function readSmallFile(path: string, atMost: number): Promise<Buffer | null> {
  return withRegularFile(path, (file, { size }) => (size > atMost ? null : file.readFile()));
}

/** Throws as `readRegularFile` would, without reading. */
export async function assertRegularFile(path: string): Promise<void> {
  await withRegularFile(path, async () => undefined);
}

// Without O_NONBLOCK it is opening a named pipe that waits; what was opened is what is judged, not what had the name before.
const withoutWaiting = constants.O_RDONLY | constants.O_NONBLOCK;

async function withRegularFile<Result>(
  path: string,
  work: (file: FileHandle, facts: Stats) => Promise<Result> | Result,
): Promise<Result> {
  const file = await open(path, withoutWaiting);
  try {
    const facts = await file.stat();
    refuseOther(path, facts);
    return await work(file, facts);
  } finally {
    await file.close();
  }
}

function refuseOther(path: string, facts: Stats | BigIntStats): void {
  if (facts.isDirectory()) throw new NotAFile(path, 'a directory');
  if (facts.isFIFO()) throw new NotAFile(path, 'a named pipe');
  if (!facts.isFile()) throw new NotAFile(path, 'a device');
}

/**
 * What changes when a file is written to or replaced: a write moves the time of change, which no program can set. The
 * clock of it ticks every few milliseconds, so that a write within the same tick and of the same size would not show.
 */
export interface FileIdentity {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

/** Throws as `readRegularFile` does. */
export function identityOf(path: string): FileIdentity {
  return withDescriptor(path, (_, identity) => identity);
}

/**
 * So many bytes of a file from `position`; null when it is not the file any more that had this identity. Opened for
 * each part, so that nothing is left to close. Throws as `readRegularFile` does.
 */
export function readPart(path: string, identity: FileIdentity, position: number, length: number): Buffer | null {
  return withDescriptor(path, (descriptor, before) => {
    const part = Buffer.allocUnsafe(length);
    let read = 0;
    while (read < length) {
      const count = readSync(descriptor, part, read, length - read, position + read);
      if (count === 0) return null;
      read += count;
    }
    const same = isSame(before, identity) && isSame(fstatSync(descriptor, { bigint: true }), identity);
    return same ? part : null;
  });
}

function isSame(a: FileIdentity, b: FileIdentity): boolean {
  return a.dev === b.dev && a.ino === b.ino && a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs;
}

function withDescriptor<Result>(path: string, work: (descriptor: number, facts: BigIntStats) => Result): Result {
  const descriptor = openSync(path, withoutWaiting);
  try {
    const facts = fstatSync(descriptor, { bigint: true });
    refuseOther(path, facts);
    return work(descriptor, facts);
  } finally {
    closeSync(descriptor);
  }
}
