import type { PulseError } from '../errors.ts';

/** The one document of `--json`. A new field may come; a change of meaning raises formatVersion. */
export interface Envelope {
  readonly formatVersion: 1;
  readonly command: string | null;
  readonly ok: boolean;
  readonly exitCode: number;
  readonly error?: ErrorDocument;
  readonly result?: unknown;
  readonly warnings?: readonly string[];
}

interface ErrorDocument {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly sqlstate?: string;
  readonly detail?: string;
  readonly context?: string;
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  readonly problems?: ReadonlyArray<{ message: string; hint?: string; file?: string; line?: number; column?: number }>;
  /** What is true now although the command failed, one sentence each. */
  readonly now?: readonly string[];
}

/** The document for a failure: what went wrong, and what is true now. */
export function failureEnvelope(
  command: string | null,
  error: PulseError,
  exitCode: number,
  warnings: readonly string[],
): Envelope {
  const { location, server } = error;
  return {
    formatVersion: 1,
    command,
    ok: false,
    exitCode,
    error: {
      code: error.code,
      message: error.message,
      hint: error.hint,
      ...(server && { sqlstate: server.sqlstate }),
      ...(server?.detail !== undefined && { detail: server.detail }),
      ...(server?.context !== undefined && { context: server.context }),
      ...placeOf(location),
      ...(error.problems.length > 0 && {
        problems: error.problems.map((problem) => ({
          message: problem.message,
          ...(problem.hint !== undefined && { hint: problem.hint }),
          ...placeOf(problem.location),
        })),
      }),
      ...(error.now.length > 0 && { now: error.now }),
    },
    ...(error.result !== undefined && { result: error.result }),
    ...(warnings.length > 0 && { warnings }),
  };
}

function placeOf(location: PulseError['location']): { file?: string; line?: number; column?: number } {
  if (location === undefined) return {};
  const { file, line, column } = location;
  return { file, ...(line !== undefined && { line }), ...(column !== undefined && { column }) };
}
