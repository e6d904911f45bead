import { createReadStream } from 'node:fs';
import { link, open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { makeDirectories } from '../make-directories.ts';
import { syncDirectory } from '../sync-directory.ts';
import type { Store } from './store.ts';
import { storeFailure } from './store-failure.ts';

/** A directory, made when it is not there. A file has its name only once it is written to the disk in full. */
export function directoryStore(directory: string): Store {
  const shown = `${directory}/`;
  const told = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    try {
      return await work();
    } catch (error) {
      throw storeFailure(error, shown);
    }
  };
  return {
    shown,
    put: (name, content) => told(() => writeFile(directory, name, content)),
    get: async function* (name) {
      try {
        for await (const part of createReadStream(join(directory, name), { highWaterMark: partBytes })) {
          yield part as Buffer;
        }
      } catch (error) {
        throw storeFailure(error, shown);
      }
    },
    size: (name) => told(async () => (await stat(join(directory, name))).size),
    part: (name, from, to) => told(() => readPart(join(directory, name), from, to)),
    remove: (name) =>
      told(async () => {
        for (const path of [name, partialOf(name)]) await rm(join(directory, path), { force: true });
      }),
  };
}

const partBytes = 262_144;

async function readPart(path: string, from: number, to: number): Promise<Buffer> {
  const file = await open(path);
  try {
    const part = Buffer.alloc(to - from);
    const { bytesRead } = await file.read(part, 0, part.length, from);
    return part.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

function partialOf(path: string): string {
  return `${path}.partial`;
}

async function writeFile(directory: string, name: string, content: AsyncIterable<Buffer>): Promise<void> {
  const path = join(directory, name);
  const partial = partialOf(path);
  // For the operator's eyes only, as a dump is.
  await makeDirectories(directory, 0o700);
  const file = await open(partial, 'wx', 0o600);
  try {
    try {
      for await (const part of content) await file.writeFile(part);
      await file.sync();
    } finally {
      await file.close();
    }
    // Unlike a rename this fails where the name is taken.
    await link(partial, path);
  } finally {
    await rm(partial, { force: true });
  }
  await syncDirectory(directory);
}
