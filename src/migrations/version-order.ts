import type { FolderOptions } from './migration.ts';

/** A version as written, and the number it means. */
export interface Numbered {
  readonly version: string;
  readonly number: bigint;
}

/** Versions in the order they run, or the first two whose order is not certain. */
export type Ordered<T> = { readonly sorted: readonly T[] } | { readonly disagreement: readonly [lower: T, higher: T] };

/** From ten digits on a version is a clock's stamp (seconds since 1970 have ten); a counter never gets so far. */
const fewestStampDigits = 10;

function byNumber(a: Numbered, b: Numbered): number {
  return a.number < b.number ? -1 : a.number > b.number ? 1 : 0;
}

function byText(a: Numbered, b: Numbered): number {
  return a.version < b.version ? -1 : a.version > b.version ? 1 : 0;
}

/** A counter written without zeros in front: 9 comes before 10 for everyone, whatever a file listing says. */
function isPlainCounter({ version }: Numbered): boolean {
  return version.length < fewestStampDigits && (version === '0' || !version.startsWith('0'));
}

/**
 * Sorts versions. Order by number and order by text are the same when all widths are; where they disagree (12-digit
 * stamps beside 14-digit ones, 0010 beside 9) tools have applied such folders in either order, so only `order` decides.
 */
export function sortVersions<T extends Numbered>(items: readonly T[], order: FolderOptions['order']): Ordered<T> {
  const numeric = items.toSorted(byNumber);
  if (order === 'text') return { sorted: items.toSorted(byText) };
  if (order === 'number' || items.every(isPlainCounter)) return { sorted: numeric };
  const textual = items.toSorted(byText);
  for (const [at, lower] of numeric.entries()) {
    const other = textual[at];
    // The first place where the lists part: by number `lower` is next, by text `other` is, although it is higher.
    if (other !== undefined && other.number !== lower.number) return { disagreement: [lower, other] };
  }
  return { sorted: numeric };
}
