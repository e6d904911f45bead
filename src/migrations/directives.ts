import { closestName } from '../closest-name.ts';
import { durationUnits, parseDuration } from '../durations.ts';
import type { Directives, TextProblem, TextRange } from './migration.ts';
import type { SourceText } from './source-text.ts';

/** The directives of a file and what is wrong with them. */
export interface ReadDirectives {
  readonly directives: Directives;
  readonly problems: readonly TextProblem[];
}

type Writable = { -readonly [Key in keyof Directives]: Directives[Key] };

/** Takes the value into `directives`; answers with what is wrong, or null. */
type Take = (directives: Writable, value: string) => string | null;

function takeDuration(key: 'lockTimeoutMs' | 'statementTimeoutMs', least: number, example: string): Take {
  return (directives, value) => {
    const milliseconds = parseDuration(value);
    if (milliseconds === null) return `write a number with its unit (${durationUnits}), for example: ${example}`;
    if (milliseconds < least) return `it must be longer than zero, for example: ${example}`;
    directives[key] = milliseconds;
    return null;
  };
}

const known: Readonly<Record<string, Take>> = {
  'no-transaction': (directives, value) => {
    directives.noTransaction = true;
    return value === '' ? null : 'it takes no value: -- pulse: no-transaction';
  },
  irreversible: (directives, value) => {
    directives.irreversible = value;
    return value === '' ? 'say why: -- pulse: irreversible the old values are not kept' : null;
  },
  // A lock timeout of zero waits for ever, and everybody else behind the waiting statement as well.
  'lock-timeout': takeDuration('lockTimeoutMs', 1, '-- pulse: lock-timeout 2s'),
  'statement-timeout': takeDuration('statementTimeoutMs', 0, '-- pulse: statement-timeout 10min'),
};

const allNames = Object.keys(known).join(', ');

/** Reads the comments that begin with `pulse:`; they count only above the file's first statement, at `firstStatement`. */
export function readDirectives(
  text: SourceText,
  comments: readonly TextRange[],
  firstStatement: number,
): ReadDirectives {
  const directives: Writable = {
    noTransaction: false,
    irreversible: null,
    lockTimeoutMs: null,
    statementTimeoutMs: null,
  };
  const problems: TextProblem[] = [];
  const seen = new Set<string>();
  for (const comment of comments) {
    const problem = readOne(text, comment, firstStatement, directives, seen);
    if (problem) problems.push({ offset: comment.start, ...problem });
  }
  return { directives, problems };
}

function readOne(
  text: SourceText,
  comment: TextRange,
  firstStatement: number,
  directives: Writable,
  seen: Set<string>,
): { message: string; hint: string } | null {
  const written = text.slice(comment.start, comment.end);
  const [, name = '', rest = ''] = /pulse:\s*(\S*)(.*)/s.exec(written) ?? [];
  const value = rest.trim();
  if (written.startsWith('/*')) {
    return { message: 'a directive inside /* */ does not count', hint: 'write it as a line: -- pulse: no-transaction' };
  }
  const take = Object.hasOwn(known, name) ? known[name] : undefined;
  if (!take) {
    const meant = closestName(name, Object.keys(known));
    const message = name === '' ? 'a directive without a name' : `no directive has the name ${name}`;
    return { message, hint: meant === null ? `directives are: ${allNames}` : `did you mean: -- pulse: ${meant}` };
  }
  if (comment.start > firstStatement) {
    return {
      message: `the directive ${name} stands below the first statement`,
      hint: 'move the line to the top of the file',
    };
  }
  if (seen.has(name)) return { message: `the directive ${name} is given twice`, hint: 'keep one of the two lines' };
  seen.add(name);
  const wrong = take(directives, value);
  return wrong === null ? null : { message: `the directive ${name} cannot be read`, hint: wrong };
}
