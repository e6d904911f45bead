import { createHash } from 'node:crypto';

/** What went by: its length and its SHA-256 in hex. */
export interface Digest {
  readonly bytes: number;
  readonly sha256: string;
}

/** Counts and hashes what goes by; `digest` is what has gone by until then. */
export class Tap {
  readonly #hash = createHash('sha256');
  #bytes = 0;

  async *through(parts: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const part of parts) {
      this.#hash.update(part);
      this.#bytes += part.length;
      yield part;
    }
  }

  /** To be asked once, behind the last part. */
  digest(): Digest {
    return { bytes: this.#bytes, sha256: this.#hash.digest('hex') };
  }
}
