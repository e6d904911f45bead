/** What a statement does to every row of a table while it holds its lock. */
export interface Work {
  readonly kind: 'rewrites' | 'scans' | 'indexes';
  /** The part of the statement that has it done. */
  readonly by: string;
  /** How to come to the same with less waiting. */
  readonly way: string;
  /** What the catalog knows may spare the rows; null: nothing does. */
  readonly unless: Unless | null;
}

export type Unless =
  /** None of these functions is volatile: then the default is one value, kept once. Names in parts, folded. */
  | { readonly kind: 'calls'; readonly calls: ReadonlyArray<readonly string[]> }
  /** The column has no NULL by a constraint that is valid. */
  | { readonly kind: 'not-null'; readonly column: string }
  /** The bytes of the old type are those of the new one. */
  | { readonly kind: 'type'; readonly column: string; readonly type: string };

const batches = 'add the column without it, fill it in batches, and set it in a later migration';
const quiet = 'there is no gentle form: run it when nobody needs the table';

export const ways = {
  type: 'add a column beside the old one, fill it in batches, and exchange the two in a later migration',
  default: 'ADD COLUMN without the default, SET DEFAULT, and fill the old rows in batches',
  column: batches,
  constraint: 'add the constraint NOT VALID, and VALIDATE CONSTRAINT in a migration of its own',
  notNull:
    'ADD CHECK (… IS NOT NULL) NOT VALID, VALIDATE CONSTRAINT in a migration of its own, and only then SET NOT NULL',
  key: 'CREATE UNIQUE INDEX CONCURRENTLY in a migration with -- pulse: no-transaction, then ADD CONSTRAINT … USING INDEX',
  index: 'CREATE INDEX CONCURRENTLY, in a migration with -- pulse: no-transaction',
  reindex: 'REINDEX … CONCURRENTLY, in a migration with -- pulse: no-transaction',
  refresh: 'REFRESH MATERIALIZED VIEW CONCURRENTLY, which wants a unique index',
  partition: 'give the table a CHECK of its bounds first: NOT VALID, and VALIDATE CONSTRAINT in a migration before',
  quiet,
} as const;
