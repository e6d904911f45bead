import type { Statement, TextProblem } from './migration.ts';
import type { SourceText } from './source-text.ts';
import { statementTokens } from './statement-tokens.ts';

/** Statements that the server would take, but that cannot mean in a migration what they mean elsewhere. */
export function refusedStatements(text: SourceText, statements: readonly Statement[]): readonly TextProblem[] {
  return statements.flatMap((statement) => {
    const refusal = refusalOf(text, statement);
    return refusal ? [{ offset: statement.start, ...refusal }] : [];
  });
}

type Refusal = Omit<TextProblem, 'offset'>;

function refusalOf(text: SourceText, { start, end, keywords }: Statement): Refusal | null {
  const first = keywords[0] ?? '';
  if (first === 'COPY') return copiesToClient(statementTokens(text.slice(start, end))) ? toClient : null;
  if (first !== 'SET' && first !== 'SELECT') return null;
  // Only its beginning matters: a SELECT may be megabytes long.
  const beginning = text.slice(start, Math.min(end, start + mostOfSetting));
  return turnsOff.test(statementTokens(beginning).join(' ')) ? otherStrings : null;
}

const mostOfSetting = 300;

/** SET, or the function that pg_dump calls for it; the server takes any beginning of a word that is clear. */
const turnsOff =
  /^(?:SET (?:(?:SESSION|LOCAL) )?"?STANDARD_CONFORMING_STRINGS"? (?:=|TO)|SELECT (?:PG_CATALOG \. )?SET_CONFIG \( 'standard_conforming_strings' ,) '?(?:of|off|f|fa|fal|fals|false|n|no|0)'?(?: |$)/i;

const toClient: Refusal = {
  message: 'COPY … TO stdout in a migration: nobody reads what it would send',
  hint: 'delete it, or write to a table instead',
};

function copiesToClient(tokens: readonly string[]): boolean {
  let depth = 0;
  return tokens.some((token, at) => {
    if (token === '(') depth += 1;
    if (token === ')') depth -= 1;
    return depth === 0 && token === 'TO' && /^STD(OUT|IN)$/.test(tokens[at + 1] ?? '');
  });
}

/** A file is cut and sent with the setting on; with it off, a backslash in a string would mean something else. */
const otherStrings: Refusal = {
  message:
    'standard_conforming_strings turned off: files are read with it on, so a backslash in a string would be taken for itself',
  hint: "write strings with escapes as E'…' and delete the line; a dump is made the other way with PGOPTIONS='-c standard_conforming_strings=on' pg_dump",
};
