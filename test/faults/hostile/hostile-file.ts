/** One hostile migration, and what must hold when it was run. */
export interface HostileFile {
  /** Names the trial. */
  readonly name: string;
  readonly mode: 'transaction' | 'no-transaction';
  /** What the file does between its two marks. */
  readonly does: string;
  /**
   * Where the marks are by which the oracle sees in the catalog how much took effect: around what the file does, or
   * both before it, because nothing of the file's own could follow.
   */
  readonly marks?: 'around' | 'before';
  readonly ends: Ending;
  /** What an administrator did in the database before. */
  readonly prepare?: string;
  /** A question to the catalog whose answer has to be true when the file was applied. */
  readonly holds?: string;
  /** What the file does once it is mended; unless given, nothing. */
  readonly mended?: string;
  /** Run by an ordinary role that owns the database, not by a superuser. */
  readonly as?: 'owner';
  /** Tried through PgBouncer as well, where another client of the pool must not notice anything. */
  readonly pooled?: boolean;
  /** Where it differs through PgBouncer. */
  readonly endsPooled?: Ending;
}

/** Applied wholly and recorded, or refused by this name with these words. */
export type Ending = Outcome | readonly Outcome[];

export type Outcome = 'applied' | Refusal;

export interface Refusal {
  readonly code: string;
  /** What has to stand in message, hint or `now`. */
  readonly says: string;
  /** What is left of it: nothing unless given, else the marks that are there. */
  readonly left?: 'first mark' | 'both marks';
}

/** Nothing of the file remains. */
export function refused(code: string, says: string): Refusal {
  return { code, says };
}

/** Part of the file remains, and the error says so. */
export function partly(says: string, left: NonNullable<Refusal['left']>): Refusal {
  return { code: 'migration-partial', says, left };
}

const first = 'CREATE TABLE public.mark_first ();';
const last = 'CREATE TABLE public.mark_last ();';

/** The text of the file. */
export function textOf({ mode, marks }: HostileFile, does: string): string {
  const directive = mode === 'no-transaction' ? '-- pulse: no-transaction\n' : '';
  const parts = marks === 'before' ? [first, last, does] : [first, does, last];
  return `${directive}${parts.join('\n')}\n`;
}
