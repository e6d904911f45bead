import type { ArchivePhase, Emit } from '../events.ts';
import type { Format } from './format.ts';

/** What is gone through, and how much of it there is; null where that is not known. */
export interface Extent {
  readonly table: string;
  readonly phase: ArchivePhase;
  readonly format: Format;
  readonly rows: number | null;
  readonly bytes: number | null;
}

/** Between two events, bytes: so the clock need not be asked. */
const eventEveryBytes = 1_048_576;

/** Tells how much of the rows has gone by, in the server's own text. */
export async function* toldOf(
  { table, phase, format, rows: totalRows, bytes: totalBytes }: Extent,
  emit: Emit,
  parts: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  const counter = new RowCounter(format);
  let [bytes, toldAt] = [0, 0];
  const tell = () => emit({ type: 'archive-progress', table, phase, rows: counter.rows, totalRows, bytes, totalBytes });
  for await (const part of parts) {
    counter.count(part);
    bytes += part.length;
    if (bytes - toldAt >= eventEveryBytes) {
      toldAt = bytes;
      tell();
    }
    yield part;
  }
  // Of what was done in a moment there is nothing to tell.
  if (toldAt > 0) tell();
}

const [lineFeed, quote] = [10, 34];

/** Counts rows of CSV with a header, where a quoted value may hold line feeds, and of lines of JSON. */
export class RowCounter {
  readonly #isCsv: boolean;
  #isQuoted = false;
  #lines = 0;

  constructor(format: Format) {
    this.#isCsv = format !== 'jsonl';
  }

  get rows(): number {
    return this.#isCsv ? Math.max(0, this.#lines - 1) : this.#lines;
  }

  count(part: Buffer): void {
    let [lines, isQuoted] = [this.#lines, this.#isQuoted];
    for (let at = 0; at < part.length; at += 1) {
      const byte = part[at];
      if (byte === lineFeed && !isQuoted) lines += 1;
      // A quote within a value is two of them.
      else if (byte === quote && this.#isCsv) isQuoted = !isQuoted;
    }
    this.#lines = lines;
    this.#isQuoted = isQuoted;
  }
}
