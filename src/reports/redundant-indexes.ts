/** What of an index decides whether another one can do its work. */
export interface IndexShape {
  readonly name: string;
  readonly table: string;
  readonly method: string;
  /** One text for each key column: column or expression with operator class, collation and order. */
  readonly keys: readonly string[];
  /** Columns that are only carried along. */
  readonly included: readonly string[];
  readonly predicate: string | null;
  readonly isUnique: boolean;
  /** A constraint, a replica identity, a partition's part of an index or the target of a foreign key: it stays. */
  readonly isNeeded: boolean;
}

/** `index` can go, since `by` does all that it does. */
export interface Redundant<Index extends IndexShape> {
  readonly index: Index;
  readonly by: Index;
  readonly why: 'the same' | 'a prefix of it';
}

/**
 * Indexes that another one makes superfluous: the same keys, or a prefix of another's keys (only of a B-tree, which
 * alone is read from the left). A unique index is never superfluous because of one that is wider.
 */
export function redundantIndexes<Index extends IndexShape>(indexes: readonly Index[]): readonly Redundant<Index>[] {
  const byTable = new Map<string, Index[]>();
  for (const index of indexes) byTable.set(index.table, [...(byTable.get(index.table) ?? []), index]);
  return [...byTable.values()].flatMap((of) => {
    const gone = new Set<Index>();
    return of.toSorted(leastNeededFirst).flatMap((index) => {
      const by = of.find((other) => other !== index && !gone.has(other) && covers(other, index));
      if (by === undefined || index.isNeeded) return [];
      gone.add(index);
      return [
        { index, by, why: by.keys.length === index.keys.length ? ('the same' as const) : ('a prefix of it' as const) },
      ];
    });
  });
}

/** Of two that are the same the one that nothing needs goes, then the one whose name comes later. */
function leastNeededFirst(a: IndexShape, b: IndexShape): number {
  return (
    Number(a.isNeeded) - Number(b.isNeeded) || Number(a.isUnique) - Number(b.isUnique) || (a.name < b.name ? 1 : -1)
  );
}

function covers(other: IndexShape, index: IndexShape): boolean {
  const isSame = other.keys.length === index.keys.length;
  return (
    other.method === index.method &&
    other.predicate === index.predicate &&
    (isSame || (index.method === 'btree' && other.keys.length > index.keys.length)) &&
    index.keys.every((key, place) => other.keys[place] === key) &&
    index.included.every(
      (column) => other.included.includes(column) || other.keys.some((key) => key.startsWith(`${column} `)),
    ) &&
    (!index.isUnique || (isSame && other.isUnique))
  );
}
