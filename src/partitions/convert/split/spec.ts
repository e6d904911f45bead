import type { TableName } from '../../catalog.ts';

/** What is decided of a partition that is cut into smaller ones. */
export interface SplitSpec {
  /** The partitioned table. */
  readonly parent: TableName & { readonly oid: number };
  /** `FOR VALUES FROM … TO …` of the partition itself, as the server writes it in UTC. */
  readonly bound: string;
  /** The same of each new one, in their order. */
  readonly bounds: readonly string[];
  /** The CHECK of each new one that says the same, so that no row of it is read under the lock of the exchange. */
  readonly checks: readonly string[];
  /** The CHECK that the DEFAULT partition gets for that time: it has no row of this range. Null where there is none. */
  readonly apart: { readonly table: TableName; readonly condition: string } | null;
  /** Names of the foreign keys of the partitioned table; the others of the conversion are the partition's own. */
  readonly parentKeys: readonly string[];
  /** What is not put on the new ones before they are in use: triggers, publications, replica identities. */
  readonly late: readonly string[];
  /** What the partitioned table looked like. */
  readonly parentStructure: string;
}

/** Of the CHECKs, which are gone when the partitions are in their place. */
export const rangeCheck = 'pulse_migrate_range';
