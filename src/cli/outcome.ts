import type { ErrorCode } from '../errors.ts';

/** What a command ends with when it did its work: the result as data, the same as text, and whether the answer was no. */
export interface Outcome {
  /** Plain data for the JSON document. */
  readonly result: unknown;
  /** For a person, on standard output, where it is long in pieces that end with a line; empty prints nothing. */
  readonly text: string | Iterable<string>;
  /** Present when the answer is no: exit code 1, but nothing went wrong. */
  readonly no?: No;
  /** The text is a script to run: nothing but the connection's own secrets may be taken out of it. */
  readonly isScript?: true;
}

export interface No {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
}
