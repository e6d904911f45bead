import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { PulseError } from '../errors.ts';

const chunkSize = 262_144;

/** The parts compressed, by the level that gzip itself takes. */
export function gzipped(parts: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  return through(parts, createGzip({ chunkSize }));
}

/**
 * The parts as they were.
 * @throws {PulseError} `archive-failed` where it is no gzip, or not all of one.
 */
export async function* gunzipped(parts: AsyncIterable<Buffer>, shown: string): AsyncGenerator<Buffer> {
  try {
    yield* through(parts, createGunzip({ chunkSize }));
  } catch (error) {
    const code = error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? '') : '';
    if (!/^(?:Z_|ABORT_ERR$|ERR_STREAM_PREMATURE_CLOSE$)/.test(code)) throw error;
    const reason = code.startsWith('Z_') ? (error as Error).message : 'something follows its end';
    throw new PulseError('archive-failed', `${shown} is damaged: ${reason}`, {
      hint: 'bring the object back as it was written; pulse-migrate partition archives --json has its checksum',
      cause: error,
    });
  }
}

async function* through(
  parts: AsyncIterable<Buffer>,
  transform: NodeJS.ReadWriteStream & AsyncIterable<Buffer | string>,
): AsyncGenerator<Buffer> {
  const fed = pipeline(Readable.from(parts, { objectMode: false, highWaterMark: chunkSize }), transform);
  // What it fails of is thrown by the loop as well, but not always before the end of it.
  fed.catch(() => {});
  for await (const part of transform) yield part as Buffer;
  await fed;
}
