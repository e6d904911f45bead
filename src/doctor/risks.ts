import { actionsFrom } from './alter-actions.ts';
import { relationAt } from './table-names.ts';

/** What a statement does to a table that no down file takes back, or that somebody relies on. */
export interface Risk {
  /** `loses`: rows or values go for good. `renames`: programs of the version before fail. `refuses`: it fails where there are rows. */
  readonly kind: 'loses' | 'renames' | 'refuses';
  /** The part of the statement that does it. */
  readonly by: string;
}

const loses = (by: string): Risk => ({ kind: 'loses', by });

/** The risks of one statement by its tokens; those of the rows it names in a WHERE are its author's affair. */
export function risksOf(tokens: readonly string[]): readonly Risk[] {
  const [first, second = ''] = tokens;
  switch (first) {
    case 'DROP':
      return second === 'TABLE' ? [loses('DROP TABLE')] : [];
    case 'TRUNCATE':
      return [loses('TRUNCATE')];
    case 'DELETE':
      return tokens.includes('WHERE') || tokens.includes('USING') ? [] : [loses('DELETE without WHERE')];
    case 'ALTER':
      return second === 'TABLE' ? risksOfAlter(tokens) : [];
    default:
      return [];
  }
}

function risksOfAlter(tokens: readonly string[]): readonly Risk[] {
  const found = relationAt(tokens, 2);
  if (found === null) return [];
  return actionsFrom(tokens.slice(tokens[found.end] === '*' ? found.end + 1 : found.end)).flatMap((action) => {
    const [first, second = ''] = action;
    if (first === 'RENAME') return second === 'CONSTRAINT' ? [] : [renames(action)];
    if (first === 'DROP') return second === 'CONSTRAINT' || second === 'EXPRESSION' ? [] : [loses('DROP COLUMN')];
    return first === 'ADD' ? refusals(action) : [];
  });
}

function renames([, second]: readonly string[]): Risk {
  return { kind: 'renames', by: second === 'TO' ? 'RENAME TO' : 'RENAME COLUMN' };
}

const constraints = new Set(['CONSTRAINT', 'CHECK', 'UNIQUE', 'PRIMARY', 'FOREIGN', 'EXCLUDE', 'NOT']);

/** A new column that has to be filled and says with nothing. */
function refusals(action: readonly string[]): readonly Risk[] {
  if (constraints.has(action[1] ?? '')) return [];
  const isRequired = action.some((token, at) => (token === 'NOT' || token === 'PRIMARY') && isKey(action[at + 1]));
  const isFilled = action.some(
    (token) => ['DEFAULT', 'GENERATED'].includes(token) || /^(BIG|SMALL)?SERIAL[248]?$/.test(token),
  );
  return isRequired && !isFilled ? [{ kind: 'refuses', by: 'ADD COLUMN … NOT NULL without a DEFAULT' }] : [];
}

function isKey(token: string | undefined): boolean {
  return token === 'NULL' || token === 'KEY';
}
