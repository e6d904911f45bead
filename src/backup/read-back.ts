import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { devNull } from 'node:os';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { PulseError } from '../errors.ts';
import type { Emit } from '../events.ts';
import { type ProgramEnd, startProgram } from '../programs.ts';

const mebibyte = 1024 * 1024;
const progressEveryBytes = 8 * mebibyte;

/** A dump to be read, and the pg_restore to read it with. */
export interface DumpToRead {
  readonly path: string;
  readonly program: string;
  /** The whole environment of pg_restore. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * Reads a dump from its first to its last byte through pg_restore, which decompresses all of it; `--list` reads the
 * table of contents alone and passes a dump that was cut in half (measured).
 * @throws {PulseError} `backup-failed` when it is damaged or cut short, `interrupted`.
 */
export async function readBack(
  { emit, signal }: { readonly emit: Emit; readonly signal: AbortSignal },
  { path, program, env }: DumpToRead,
): Promise<{ readonly bytes: number; readonly sha256: string }> {
  const totalBytes = (await stat(path)).size;
  const hash = createHash('sha256');
  let bytes = 0;
  let shown = 0;
  const restore = startProgram(program, [`--file=${devNull}`], { env, signal, stdio: ['pipe', 'ignore', 'pipe'] });
  const count = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      bytes += chunk.length;
      if (bytes - shown >= progressEveryBytes || bytes === totalBytes) {
        shown = bytes;
        emit({ type: 'backup-progress', phase: 'read-back', bytes, totalBytes });
      }
      done(null, chunk);
    },
  });
  const { stdin } = restore.child;
  if (stdin === null) throw new TypeError('pg_restore was started without its input');
  const [written, ended] = await Promise.allSettled([
    pipeline(createReadStream(path, { highWaterMark: mebibyte }), count, stdin, { signal }),
    restore.ended,
  ]);
  if (signal.aborted) {
    if (signal.reason instanceof PulseError) throw signal.reason;
    throw new PulseError('interrupted', 'reading the backup back was interrupted; its file was removed', {
      hint: 'run the command again',
    });
  }
  if (ended.status === 'rejected') throw ended.reason;
  if (ended.value.exitCode !== 0) throw damaged(path, explain(ended.value));
  // A broken pipe alone says nothing: pg_restore ends at the last block, without waiting for the end of its input.
  if (bytes < totalBytes) {
    if (written.status === 'rejected' && !brokenPipe.has(String(codeOf(written.reason)))) throw written.reason;
    throw damaged(path, 'something follows the end of the dump');
  }
  return { bytes, sha256: hash.digest('hex') };
}

const brokenPipe = new Set(['EPIPE', 'ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE', 'ERR_STREAM_DESTROYED']);

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code;
}

function damaged(path: string, reason: string): PulseError {
  return new PulseError('backup-failed', `the dump does not read back: ${reason}`, {
    hint: 'check the disk it was written to, and run the command again',
    location: { file: path },
  });
}

function explain({ exitCode, signal, stderr }: ProgramEnd): string {
  const said = stderr.trim();
  if (said !== '') return said;
  return signal === null ? `pg_restore ended with exit code ${exitCode}` : `pg_restore was killed by ${signal}`;
}
