/** Reads the keys of a section that lies inside of a value: each problem is told with the place it has there. */
import { closestName } from '../closest-name.ts';
import type { Misfit, Read, Reading } from './readings.ts';

/** A section of the file as a value; null for anything else. */
export function sectionOf(raw: unknown): ReadonlyMap<string, unknown> | null {
  return raw instanceof Map ? raw : null;
}

/** All the problems there are, or the value. */
export function readingOf<Value>(misfits: readonly Misfit[], value: Value): Reading<Value> {
  const [first, ...others] = misfits;
  return first === undefined ? { ok: true, value } : { ok: false, ...first, others };
}

/** The keys of one section; what is asked for is what is known. */
export class Fields {
  readonly misfits: Misfit[] = [];
  readonly #section: ReadonlyMap<string, unknown>;
  readonly #at: readonly string[];
  readonly #known: string[] = [];

  constructor(section: ReadonlyMap<string, unknown>, at: readonly string[]) {
    this.#section = section;
    this.#at = at;
  }

  has(name: string): boolean {
    return this.#section.has(name);
  }

  /** The value of a key, or null where it is missing or does not fit. */
  optional<Value>(name: string, read: Read<Value>): Value | null {
    this.#known.push(name);
    if (!this.#section.has(name)) return null;
    const reading = read(this.#section.get(name));
    if (reading.ok) return reading.value;
    for (const { at = [], ...misfit } of [{ ...reading, at: reading.at ?? [] }, ...(reading.others ?? [])]) {
      this.misfits.push({
        problem: misfit.problem,
        ...(misfit.hint !== undefined && { hint: misfit.hint }),
        at: [...this.#at, name, ...at],
      });
    }
    return null;
  }

  /** The same for a key that has to be there; `like` shows how it is written. */
  required<Value>(name: string, read: Read<Value>, like: string): Value | null {
    if (!this.#section.has(name)) this.refuse(`needs ${name}`, `for example: ${like}`);
    return this.optional(name, read);
  }

  refuse(problem: string, hint: string, name?: string): void {
    this.misfits.push({ problem, hint, at: name === undefined ? this.#at : [...this.#at, name] });
  }

  /** To be called last: every key that nobody asked for is a problem. */
  refuseOthers(): void {
    for (const name of this.#section.keys()) {
      if (this.#known.includes(name)) continue;
      const meant = closestName(name, this.#known);
      this.refuse(
        'is no key that is known here',
        meant === null ? `keys known here: ${this.#known.join(', ')}` : `did you mean "${meant}"?`,
        name,
      );
    }
  }
}
