import { bytes, duration } from './format.ts';

/** How far something with a known size has come. */
export interface Transferred {
  readonly bytes: number;
  readonly totalBytes: number;
}

/** How far rows have come; `totalRows` is a guess where the bytes are not known. */
export interface TransferredRows {
  readonly rows: number;
  readonly totalRows: number | null;
  readonly bytes: number;
  readonly totalBytes: number | null;
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
    const { passed, since } = this.#passed(what, done);
    const share = `${what}: ${bytes(done)} of ${bytes(totalBytes)}`;
    const perMs = since / passed;
    if (passed < rateAfterMs || perMs <= 0) return share;
    return `${share}, ${bytes(perMs * 1000)}/s, ${duration((totalBytes - done) / perMs)} left`;
  }

  /** The same of rows: `81204 of about 812044 rows, 12.0 MiB, 9.6 MiB/s, 9.2 s left`. */
  tellRows(what: string, { rows, totalRows, bytes: done, totalBytes }: TransferredRows): string {
    const { passed, since } = this.#passed(what, done);
    // Of a guess that was too low there is no share.
    const known = totalRows !== null && totalRows >= rows;
    const about = totalBytes === null ? 'about ' : '';
    const share = `${what}: ${rows}${known ? ` of ${about}${totalRows}` : ''} rows, ${bytes(done)}`;
    const perMs = since / passed;
    if (passed < rateAfterMs || perMs <= 0) return share;
    const whole = totalBytes ?? (known && rows > 0 ? (done / rows) * totalRows : null);
    const left = whole === null ? '' : `, ${duration(Math.max(0, whole - done) / perMs)} left`;
    return `${share}, ${bytes(perMs * 1000)}/s${left}`;
  }

  /** Since the transfer of this name began: milliseconds, and bytes. */
  #passed(what: string, done: number): { readonly passed: number; readonly since: number } {
    const at = this.#now();
    if (this.#what !== what || done < this.#last) {
      this.#what = what;
      this.#first = { at, bytes: done };
    }
    this.#last = done;
    return { passed: at - this.#first.at, since: done - this.#first.bytes };
  }
}
