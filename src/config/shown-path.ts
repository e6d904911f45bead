import { relative, resolve, sep } from 'node:path';
import { visible } from '../visible.ts';

/** A path as shown to people: seen from `cwd` where it lies inside it, else absolute; always with forward slashes. */
export function shownPath(cwd: string, path: string): string {
  const absolute = resolve(cwd, path);
  const seen = relative(cwd, absolute);
  if (seen === '') return '.';
  const outside = seen === '..' || seen.startsWith(`..${sep}`);
  return visible((outside ? absolute : seen).replaceAll(sep, '/'));
}
