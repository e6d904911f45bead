import { bytes, duration } from './format.ts';

/** How far something with a known size has come. */
export interface Transferred {
  readonly bytes: number;
  readonly totalBytes: number;
}

/** Before so many milliseconds a rate says little. */
const rateAfterMs = 1000;

/** Tells of one transfer after another: `12.0 MiB of 100.0 MiB, 9.6 MiB/s, 9.2 s left`. `now` gives milliseconds. */
export class TransferTelling {
  readonly #now: () => number;
  #what: string | null = null;
  #first = { at: 0, bytes: 0 };
  #last = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** `what` is the name of the transfer; one that begins anew is measured from there. */
  tell(what: string, { bytes: done, totalBytes }: Transferred): string {
    const at = this.#now();
    if (this.#what !== what || done < this.#last) {
      this.#what = what;
      this.#first = { at, bytes: done };
    }
    this.#last = done;
    const share = `${what}: ${bytes(done)} of ${bytes(totalBytes)}`;
    const passed = at - this.#first.at;
    const perMs = (done - this.#first.bytes) / passed;
    if (passed < rateAfterMs || perMs <= 0) return share;
    return `${share}, ${bytes(perMs * 1000)}/s, ${duration((totalBytes - done) / perMs)} left`;
  }
}
