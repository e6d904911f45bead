import type { Statement, TextProblem } from './migration.ts';
import type { SourceText } from './source-text.ts';
import { statementTokens } from './statement-tokens.ts';

/** What a file says about its own transaction. */
export interface TransactionControl {
  /** Statements whose place our own BEGIN and COMMIT take. */
  readonly ownTransaction: readonly Statement[];
  /** For our own BEGIN, or null. */
  readonly modes: string | null;
  readonly problems: readonly TextProblem[];
}

/** True for a statement that begins or ends a transaction. Savepoints do neither. */
function isTransactionControl(statement: Statement): boolean {
  const [first, second, third] = statement.keywords;
  switch (first) {
    case 'BEGIN':
    case 'COMMIT':
    case 'END':
    case 'ABORT':
      return second !== 'PREPARED';
    case 'ROLLBACK':
      return second !== 'PREPARED' && second !== 'TO' && third !== 'TO';
    case 'START':
    case 'PREPARE':
      return second === 'TRANSACTION';
    default:
      return false;
  }
}

const words = [
  'ISOLATION LEVEL (?:SERIALIZABLE|REPEATABLE READ|READ COMMITTED|READ UNCOMMITTED)',
  'READ WRITE',
  'READ ONLY',
  '(?:NOT )?DEFERRABLE',
];
const modeList = new RegExp(`^(?:${words.join('|')})(?:(?: ,)? (?:${words.join('|')}))*$`);

/** The modes a statement sets, empty when it names none, or null when these are not transaction modes. */
function modesAfter(tokens: readonly string[], count: number): string | null {
  const text = tokens.slice(count).join(' ');
  if (text === '') return '';
  return modeList.test(text) ? text.replaceAll(' ,', ',') : null;
}

/** Modes of `BEGIN` and `START TRANSACTION` in all their spellings. */
function modesOfBegin(text: SourceText, statement: Statement): string | null {
  const tokens = statementTokens(text.slice(statement.start, statement.end));
  return modesAfter(tokens, tokens[1] === 'WORK' || tokens[1] === 'TRANSACTION' ? 2 : 1);
}

/** Modes of `SET [LOCAL] TRANSACTION …`, or null for any other statement (SET TRANSACTION SNAPSHOT among them). */
function modesOfSet(text: SourceText, statement: Statement): string | null {
  const { keywords } = statement;
  const at = keywords[1] === 'LOCAL' ? 2 : 1;
  if (keywords[0] !== 'SET' || keywords[at] !== 'TRANSACTION') return null;
  return modesAfter(statementTokens(text.slice(statement.start, statement.end)), at + 1) || null;
}

/** A plain COMMIT or END: not AND CHAIN, which would begin the next transaction. */
function isPlainCommit(statement: Statement): boolean {
  const [first, second, third] = statement.keywords;
  if (first !== 'COMMIT' && first !== 'END') return false;
  const next = second === 'WORK' || second === 'TRANSACTION' ? third : second;
  return next === undefined || (next === 'AND' && statement.keywords.includes('NO'));
}

/** Reads the transaction control of a file that runs in one transaction of ours. */
export function readTransactionControl(text: SourceText, statements: readonly Statement[]): TransactionControl {
  const ownTransaction: Statement[] = [];
  const modes: string[] = [];
  const first = statements[0];
  const last = statements.at(-1);
  let inner = statements;
  if (first && last && first !== last && isBegin(first) && isPlainCommit(last)) {
    const asked = modesOfBegin(text, first);
    if (asked !== null) {
      if (asked !== '') modes.push(asked);
      ownTransaction.push(first, last);
      inner = statements.slice(1, -1);
    }
  }
  // Only SET may come before it: after any query the server no longer changes the level.
  for (const statement of inner) {
    if (statement.keywords[0] !== 'SET') break;
    const asked = modesOfSet(text, statement);
    if (asked === null) continue;
    modes.push(asked);
    ownTransaction.push(statement);
  }
  const problems = inner.filter(isTransactionControl).map((statement) => controlProblem(text, statement));
  const readOnly = ownTransaction.find((statement) =>
    /\bREAD ONLY\b/.test(statementTokens(text.slice(statement.start, statement.end)).join(' ')),
  );
  if (readOnly) {
    problems.push({
      offset: readOnly.start,
      message: 'a read-only transaction cannot record that the migration was applied',
      hint: 'remove READ ONLY',
    });
  }
  return { ownTransaction, modes: modes.length > 0 ? modes.join(', ') : null, problems };
}

function isBegin(statement: Statement): boolean {
  return statement.keywords[0] === 'BEGIN' || statement.keywords[0] === 'START';
}

function controlProblem(text: SourceText, statement: Statement): TextProblem {
  return {
    offset: statement.start,
    message: `${shownControl(text, statement)} in a file that runs in one transaction`,
    hint:
      'remove it: the whole file is applied together with its ledger row, or not at all. ' +
      'Only a BEGIN as the first statement with a COMMIT as the last is accepted; work that needs several transactions goes into several migrations',
  };
}

function shownControl(text: SourceText, statement: Statement): string {
  return statementTokens(text.slice(statement.start, statement.end)).slice(0, 3).join(' ');
}

/** Problems of a file that runs without a transaction, where each statement has one of its own. */
export function controlInNoTransactionFile(text: SourceText, statements: readonly Statement[]): readonly TextProblem[] {
  return statements
    .filter((statement) => isTransactionControl(statement) || isSavepoint(statement))
    .map((statement) => ({
      offset: statement.start,
      message: `${shownControl(text, statement)} in a file that runs without a transaction`,
      hint:
        'remove it: here each statement runs by itself. What must happen together goes into a migration of its own, ' +
        'which runs in one transaction',
    }));
}

function isSavepoint(statement: Statement): boolean {
  const [first] = statement.keywords;
  return first === 'SAVEPOINT' || first === 'RELEASE' || (first === 'ROLLBACK' && statement.keywords.includes('TO'));
}
