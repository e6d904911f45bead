import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Problem } from '../../errors.ts';
import type { Surroundings } from '../settings.ts';

export interface PasswordFile {
  /** Null when there is none, or none that may be used. */
  readonly text: string | null;
  readonly warnings: readonly Problem[];
}

/**
 * The password file: `given` (passfile or PGPASSFILE) or ~/.pgpass. As in libpq, one that others can read is not
 * used, with a warning, and one that is missing is passed over.
 */
export function readPasswordFile(given: string | null, around: Surroundings): PasswordFile {
  const path = given ?? (around.homeDirectory === null ? null : join(around.homeDirectory, '.pgpass'));
  if (path === null) return { text: null, warnings: [] };
  const unused = (message: string, hint: string): PasswordFile => ({ text: null, warnings: [{ message, hint }] });
  try {
    const facts = statSync(path);
    if (!facts.isFile())
      return unused(`the password file ${path} is not a plain file and is not used`, 'name a file with PGPASSFILE');
    if ((facts.mode & 0o077) !== 0) {
      return unused(`the password file ${path} can be read by others and is not used`, `run: chmod 600 ${path}`);
    }
    return { text: readFileSync(path, 'utf8'), warnings: [] };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EACCES') {
      return unused(`the password file ${path} may not be read by this user`, `run: ls -l ${path}`);
    }
    return { text: null, warnings: [] };
  }
}
