/**
 * Progress, as facts: operations emit them synchronously, the edge decides how they look. Never sentences,
 * and never awaited: a slow terminal must not hold a lock in the database open.
 */
export type Direction = 'up' | 'down';

/**
 * What the catalog showed of a statement that an earlier run had begun. `done`: its effect is there. `invalid`: its
 * index was INVALID and is rebuilt. `pending`: its detach was half done and is finished. `leftover`: copies it left are dropped.
 */
export type SettledState = 'done' | 'invalid' | 'pending' | 'leftover';

/** What is done with the rows of an archive: both ways they are gone through a second time, to be compared. */
export type ArchivePhase = 'writing' | 'reading back' | 'loading' | 'comparing';

export type ProgressEvent =
  | {
      readonly type: 'migration-started';
      readonly version: string;
      readonly name: string;
      readonly direction: Direction;
      readonly index: number;
      readonly total: number;
    }
  | {
      readonly type: 'migration-finished';
      readonly version: string;
      readonly name: string;
      readonly direction: Direction;
      readonly index: number;
      readonly total: number;
      readonly durationMs: number;
    }
  | {
      /** Of a file that is sent in pieces: how much of it has been sent, bytes. */
      readonly type: 'migration-progress';
      readonly version: string;
      readonly bytes: number;
      readonly totalBytes: number;
    }
  | {
      readonly type: 'statement-finished';
      readonly version: string;
      readonly statement: number;
      readonly statements: number;
      readonly resumed: boolean;
    }
  | {
      readonly type: 'statement-settled';
      readonly version: string;
      readonly statement: number;
      readonly statements: number;
      /** What it is about: `index t_u`. */
      readonly object: string;
      readonly found: SettledState;
    }
  | { readonly type: 'server-notice'; readonly severity: string; readonly message: string }
  | { readonly type: 'lease-waiting'; readonly holder: string; readonly waitedMs: number; readonly limitMs: number }
  | { readonly type: 'reconnecting'; readonly waitedMs: number; readonly limitMs: number; readonly reason: string }
  | {
      readonly type: 'lock-waiting';
      readonly version: string;
      readonly attempt: number;
      readonly attempts: number;
      readonly pauseMs: number;
      readonly blockers: readonly string[];
    }
  | {
      /** Of a table that becomes partitions. `done` and `total` are blocks, indexes or changes, by the phase. */
      readonly type: 'conversion-progress';
      readonly table: string;
      readonly phase: 'copying' | 'indexing' | 'replaying';
      readonly done: number;
      readonly total: number;
      readonly rows: number;
      readonly rowsPerSecond: number;
      readonly secondsLeft: number | null;
      /** Changes of clients that are still to be brought over. */
      readonly backlog: number;
      /** The longest time that clients could wait for us so far, milliseconds. */
      readonly worstLockMs: number;
    }
  | {
      /** Clients waited for at most so long, or would have. */
      readonly type: 'conversion-locked';
      readonly table: string;
      /** `the exchange of the tables`. */
      readonly doing: string;
      readonly heldMs: number;
    }
  | {
      /** Of a partition that is archived or restored: rows and bytes in the server's own text. `totalRows` may be a guess. */
      readonly type: 'archive-progress';
      readonly table: string;
      readonly phase: ArchivePhase;
      readonly rows: number;
      readonly totalRows: number | null;
      readonly bytes: number;
      readonly totalBytes: number | null;
    }
  | {
      readonly type: 'check-finished';
      readonly id: string;
      readonly outcome: 'ok' | 'warning' | 'failure' | 'unknown';
      readonly message: string;
      readonly hint: string | null;
    }
  | { readonly type: 'backup-started'; readonly path: string; readonly databaseBytes: number }
  | {
      readonly type: 'backup-progress';
      readonly phase: 'write' | 'read-back';
      readonly bytes: number;
      readonly totalBytes: number | null;
    }
  | {
      readonly type: 'backup-finished';
      readonly path: string;
      readonly bytes: number;
      readonly sha256: string;
      readonly durationMs: number;
    }
  | { readonly type: 'embedded-starting'; readonly version: string; readonly fresh: boolean }
  | { readonly type: 'embedded-started'; readonly version: string; readonly directory: string }
  | {
      /** A transaction of a rule of retention; `last` is the youngest row that went, in UTC. */
      readonly type: 'retention-batch';
      readonly table: string;
      readonly removed: number;
      readonly last: string | null;
    }
  | { readonly type: 'warning'; readonly message: string; readonly hint?: string };

export type Emit = (event: ProgressEvent) => void;
