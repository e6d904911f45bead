import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  type Stats,
} from 'node:fs';

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
  return withDescriptor(path, (descriptor) => {
    factsOf(path, descriptor);
    return readFileSync(descriptor);
  });
}

/**
 * As `readRegularFile`; null for a file of more bytes than `atMost`, which is not read. At once: what a promise costs
 * is several times what reading a small file does.
 */
export function readSmallFile(path: string, atMost: number): Buffer | null {
  return withDescriptor(path, (descriptor) => {
    const { size } = factsOf(path, descriptor);
    return size > atMost ? null : readWhole(descriptor, size);
  });
}

/** Throws as `readRegularFile` would, without reading. */
export async function assertRegularFile(path: string): Promise<void> {
  withDescriptor(path, (descriptor) => factsOf(path, descriptor));
}

// Without O_NONBLOCK it is opening a named pipe that waits; what was opened is what is judged, not what had the name before.
const withoutWaiting = constants.O_RDONLY | constants.O_NONBLOCK;

function factsOf(path: string, descriptor: number): Stats {
  const facts = fstatSync(descriptor);
  refuseOther(path, facts);
  return facts;
}

function readWhole(descriptor: number, size: number): Buffer {
  // Some file systems do not know the size of a file before it is read.
  if (size === 0) return readFileSync(descriptor);
  const bytes = Buffer.allocUnsafe(size);
  let length = 0;
  for (let count = -1; count !== 0 && length < size; length += count) {
    count = readSync(descriptor, bytes, length, size - length, null);
  }
  return length === size ? bytes : bytes.subarray(0, length);
}

function refuseOther(path: string, facts: Stats | BigIntStats): void {
  if (facts.isFile()) return;
  if (facts.isDirectory()) throw new NotAFile(path, 'a directory');
  if (facts.isFIFO()) throw new NotAFile(path, 'a named pipe');
  throw new NotAFile(path, 'a device');
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
  return withDescriptor(path, (descriptor) => identityBehind(path, descriptor));
}

/**
 * So many bytes of a file from `position`; null when it is not the file any more that had this identity. Opened for
 * each part, so that nothing is left to close. Throws as `readRegularFile` does.
 */
export function readPart(path: string, identity: FileIdentity, position: number, length: number): Buffer | null {
  return withDescriptor(path, (descriptor) => {
    const before = identityBehind(path, descriptor);
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

function identityBehind(path: string, descriptor: number): FileIdentity {
  const facts = fstatSync(descriptor, { bigint: true });
  refuseOther(path, facts);
  return facts;
}

function withDescriptor<Result>(path: string, work: (descriptor: number) => Result): Result {
  const descriptor = openSync(path, withoutWaiting);
  try {
    return work(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
