import { resolve } from 'node:path';
import { closestName } from '../../closest-name.ts';
import type { Problem } from '../../errors.ts';
import type { Merged } from './merge.ts';

const tlsVersions = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const;

/** Reads typed values out of the merged ones and collects what is wrong with them. */
export class ValueReader {
  readonly problems: Problem[];
  readonly #merged: Merged;

  constructor(merged: Merged) {
    this.#merged = merged;
    this.problems = [...merged.problems];
  }

  /** The text of a parameter; libpq takes the empty text as absent for most of them. */
  text(name: string): string | null {
    const value = this.#merged.values.get(name)?.value;
    return value === undefined || value === '' ? null : value;
  }

  shown(name: string): string {
    return this.#merged.values.get(name)?.shown ?? name;
  }

  /** One of a few words; an empty one is refused, since a template that failed must not weaken a connection. */
  choice<Choice extends string>(name: string, choices: readonly Choice[], fallback: Choice): Choice {
    const value = this.#merged.values.get(name)?.value;
    if (value === undefined) return fallback;
    const found = choices.find((candidate) => candidate === value);
    if (found !== undefined) return found;
    const meant = closestName(value, choices);
    this.problems.push({
      message: `${this.shown(name)} must be one of ${choices.join(', ')}`,
      hint: meant === null ? `the default is ${fallback}` : `did you mean ${meant}?`,
    });
    return fallback;
  }

  seconds(name: string): number | null {
    const value = this.text(name);
    if (value === null) return null;
    if (/^\s*[+-]?\d{1,6}\s*$/.test(value)) return Number(value);
    this.problems.push({
      message: `${this.shown(name)} must be a whole number of seconds`,
      hint: 'write for example connect_timeout=10; 0 waits for ever',
    });
    return null;
  }

  tlsVersion(name: string): string | null {
    const value = this.text(name);
    if (value === null) return null;
    const version = tlsVersions.find((candidate) => candidate.toLowerCase() === value.toLowerCase());
    if (version === undefined)
      this.problems.push({
        message: `${this.shown(name)} must be one of ${tlsVersions.join(', ')}`,
        hint: 'write for example TLSv1.2',
      });
    return version ?? null;
  }

  path(name: string, cwd: string): string | null {
    const value = this.text(name);
    return value === null ? null : resolve(cwd, value);
  }
}
