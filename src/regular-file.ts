import { constants } from 'node:fs';
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

/** Throws as `readRegularFile` would, without reading. */
export async function assertRegularFile(path: string): Promise<void> {
  await withRegularFile(path, async () => undefined);
}

async function withRegularFile<Result>(path: string, work: (file: FileHandle) => Promise<Result>): Promise<Result> {
  // Without O_NONBLOCK it is opening a named pipe that waits; what was opened is what is judged, not what had the name before.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const facts = await file.stat();
    if (facts.isDirectory()) throw new NotAFile(path, 'a directory');
    if (facts.isFIFO()) throw new NotAFile(path, 'a named pipe');
    if (!facts.isFile()) throw new NotAFile(path, 'a device');
    return await work(file);
  } finally {
    await file.close();
  }
}
