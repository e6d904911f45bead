/** A query that has to stay fast, as the configuration has it. */
export interface KeyQuery {
  readonly name: string;
  /** One statement that reads; its parameters are `$1`, `$2` and so on. */
  readonly sql: string;
  /** One statement whose rows are the parameters, a column each; null for a query without any. */
  readonly parameters: string | null;
  /** Milliseconds that 95 of 100 runs have to stay below. */
  readonly targetMs: number;
  /** Indexes that the plan has to use: all of them, and of one with several names any of these. */
  readonly indexes: ReadonlyArray<readonly string[]>;
}
