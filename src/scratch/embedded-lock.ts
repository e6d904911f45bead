import { link, readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { PulseError } from '../errors.ts';
import { startStamp } from './embedded-running.ts';

/** Time as the edge gives it. */
export interface Clock {
  /** Milliseconds since any fixed moment. */
  readonly now: () => number;
  readonly sleep: (milliseconds: number) => Promise<void>;
}

/** An exclusive file and how long to wait for it. */
export interface ExclusiveFile {
  readonly path: string;
  /** The id of this program, written into the file. */
  readonly pid: number;
  readonly limitMs: number;
}

const pollMs = 50;

async function removeIfThere(path: string): Promise<void> {
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}

/** Links a finished file to the name, so that nobody ever reads a lock without its holder in it. */
async function tryTake(file: ExclusiveFile, record: string): Promise<boolean> {
  const draft = `${file.path}.${file.pid}`;
  await writeFile(draft, record, { mode: 0o600 });
  try {
    await link(draft, file.path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // ENOENT: a second taker in this same program has removed the draft both use.
    if (code !== 'EEXIST' && code !== 'ENOENT') throw error;
    return false;
  } finally {
    await removeIfThere(draft);
  }
}

/** Moves a dead holder's lock aside; what turns out to be another's fresh lock is put back. */
async function removeDead(file: ExclusiveFile, record: string): Promise<void> {
  const aside = `${file.path}.dead.${file.pid}`;
  try {
    await rename(file.path, aside);
  } catch {
    return;
  }
  if ((await readFile(aside, 'utf8')) !== record) await link(aside, file.path).catch(() => undefined);
  await removeIfThere(aside);
}

/**
 * Does `work` while holding the file, taking it over from a holder that died. Not a lock of the kernel: Node has none
 * for files, and a listening socket leaves the same question of who may remove a dead one.
 * @throws {PulseError} `embedded-unavailable` naming the holder when it was not free in time.
 */
export async function withExclusiveFile<Result>(
  file: ExclusiveFile,
  clock: Clock,
  work: () => Promise<Result>,
): Promise<Result> {
  const record = `${file.pid} ${(await startStamp(file.pid)) ?? ''}\n`;
  const begun = clock.now();
  while (!(await tryTake(file, record))) {
    const held = await readFile(file.path, 'utf8').catch(() => null);
    if (held === null) continue;
    const [, pid, stamp] = /^(\d+) (.*)\n$/.exec(held) ?? [];
    if (pid === undefined || (await startStamp(Number(pid))) !== stamp) {
      await removeDead(file, held);
      continue;
    }
    if (clock.now() - begun >= file.limitMs) {
      throw new PulseError(
        'embedded-unavailable',
        `another pulse-migrate (pid ${pid}) has been busy with the embedded server for ${Math.round(file.limitMs / 1000)} s`,
        {
          hint: `wait for it, or end it: kill ${pid}`,
        },
      );
    }
    await clock.sleep(pollMs);
  }
  try {
    return await work();
  } finally {
    await removeIfThere(file.path);
  }
}
