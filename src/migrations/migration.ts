import type { SourceText } from './source-text.ts';

/** What a folder of migrations is made of, once read, decoded, hashed and parsed. Plain data: nothing here does anything. */

type TransactionMode = 'transaction' | 'no-transaction';

/** A part of a text, as offsets of its own (`SourceText`): `start` is its first character, `end` one past its last. */
export interface TextRange {
  readonly start: number;
  readonly end: number;
}

/** Something wrong in a text: where it begins, what it is, and what to do about it. */
export interface TextProblem {
  readonly offset: number;
  readonly message: string;
  readonly hint: string;
}

/** Settings a file gives itself by comment lines at its top: `-- pulse: lock-timeout 2s`. Durations in milliseconds. */
export interface Directives {
  readonly noTransaction: boolean;
  /** The reason why this migration cannot be undone (down files only). */
  readonly irreversible: string | null;
  readonly lockTimeoutMs: number | null;
  readonly statementTimeoutMs: number | null;
}

/** One top-level statement, found by PostgreSQL's own lexical rules. Offsets are the text's own. */
export interface Statement {
  /** First character of the statement itself: white space and comments before it are left out. */
  readonly start: number;
  /** One past its last character; the semicolon is not part of it. */
  readonly end: number;
  /**
   * Its first unquoted words in upper case, comments dropped, up to the first token that is no such word and at most
   * eight: ['CREATE', 'UNIQUE', 'INDEX', 'CONCURRENTLY', …]; `copy public.t from …` gives ['COPY', 'PUBLIC'].
   */
  readonly keywords: readonly string[];
  /** `COPY … FROM stdin`: where the data lines are, without the line that ends them (`\.`). */
  readonly copyData: TextRange | null;
}

/** One file, ready to run. */
export interface MigrationFile {
  /** As shown to people: relative to where the command was started, with forward slashes. */
  readonly path: string;
  /** Without a byte order mark; line ends as in the file. */
  readonly text: SourceText;
  /** SHA-256 in hex of the text with LF line ends. */
  readonly checksum: string;
  readonly directives: Directives;
  readonly statements: readonly Statement[];
  readonly mode: TransactionMode;
  /** What the file asks of its transaction, to stand behind our own BEGIN: `ISOLATION LEVEL SERIALIZABLE`, … Checked words, safe to send. */
  readonly transactionModes: string | null;
  /**
   * Parts of the text that are not sent, in order: the file's own BEGIN and COMMIT around everything and a leading
   * SET TRANSACTION (ours stand there), and `\restrict` lines. Blanked when sent, so that positions stay.
   */
  readonly leftOut: readonly TextRange[];
}

/** A pair of files with one version. */
export interface Migration {
  /** As written in the file name: `0001`, `20260101120000`. */
  readonly version: string;
  /** The number it means, for comparing: `0001` and `1` are one version. */
  readonly number: bigint;
  readonly name: string;
  readonly up: MigrationFile;
  /** Null where the folder is read with `requireDown: false`. */
  readonly down: MigrationFile | null;
}

export interface FolderWarning {
  readonly path: string;
  readonly message: string;
  readonly hint?: string;
}

/** All pairs of a folder in the order they run. */
export interface Folder {
  /** As shown to people. */
  readonly path: string;
  readonly migrations: readonly Migration[];
  readonly warnings: readonly FolderWarning[];
}

/** How a folder is to be read; each value comes from the configuration. */
export interface FolderOptions {
  /** Absolute path. */
  readonly directory: string;
  /** The path shown in messages. */
  readonly shown: string;
  /** Decides where order by number and order by text disagree; undefined refuses such a folder. */
  readonly order?: 'number' | 'text';
  readonly requireDown: boolean;
  readonly allowEmpty: boolean;
  /** `auto` runs a file without a transaction when it holds a statement that cannot run in one. */
  readonly transaction: 'strict' | 'auto';
}
