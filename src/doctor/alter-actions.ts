import { type LockMode, strongest } from './lock-modes.ts';
import { nameOf, type RelationName, relationAt } from './table-names.ts';
import { type Work, ways } from './work.ts';

/** One action of an ALTER TABLE: `ADD COLUMN x int`. */
export interface AlterAction {
  /** On the table itself. */
  readonly lock: LockMode;
  readonly works: readonly Work[];
  /** Another table that it locks: the partition that is attached, the table a foreign key refers to. */
  readonly others: readonly OtherTable[];
}

interface OtherTable {
  readonly relation: RelationName;
  readonly lock: LockMode;
  readonly reach: 'children';
  readonly need: 'owner' | 'REFERENCES';
  readonly works: readonly Work[];
}

/** The actions of an ALTER TABLE, of which `from` is the first token behind the name. By the manual, ALTER TABLE, and by measurement. */
export function alterActions(tokens: readonly string[], from: number): AlterAction[] {
  return actionsFrom(tokens.slice(from)).map(judge);
}

/** The actions of an ALTER TABLE: split at the commas between them, not at those inside of parentheses. */
export function actionsFrom(tokens: readonly string[]): string[][] {
  const actions: string[][] = [[]];
  let depth = 0;
  for (const token of tokens) {
    if (token === '(' || token === '[') depth += 1;
    if (token === ')' || token === ']') depth -= 1;
    if (token === ',' && depth === 0) actions.push([]);
    else actions.at(-1)?.push(token);
  }
  return actions;
}

function judge(tokens: readonly string[]): AlterAction {
  const [first = '', second = ''] = tokens;
  switch (first) {
    case 'ADD':
      return constraintWords.has(second) ? addsConstraint(tokens) : addsColumn(tokens);
    case 'ALTER':
      return second === 'CONSTRAINT' ? takes('ACCESS EXCLUSIVE') : altersColumn(tokens);
    case 'VALIDATE':
      return takes('SHARE UPDATE EXCLUSIVE', work('scans', 'VALIDATE CONSTRAINT', ways.quiet));
    case 'SET':
      return sets(tokens);
    case 'RESET':
    case 'CLUSTER':
      return takes('SHARE UPDATE EXCLUSIVE');
    case 'ENABLE':
    case 'DISABLE':
      return takes(tokens.slice(1, 3).includes('TRIGGER') ? 'SHARE ROW EXCLUSIVE' : 'ACCESS EXCLUSIVE');
    case 'ATTACH':
    case 'DETACH':
      return changesPartition(tokens);
    default:
      return takes('ACCESS EXCLUSIVE');
  }
}

const constraintWords = new Set(['CONSTRAINT', 'CHECK', 'UNIQUE', 'PRIMARY', 'FOREIGN', 'EXCLUDE', 'NOT']);

function takes(lock: LockMode, ...works: readonly Work[]): AlterAction {
  return { lock, works, others: [] };
}

function work(kind: Work['kind'], by: string, way: string, unless: Work['unless'] = null): Work {
  return { kind, by, way, unless };
}

function addsConstraint(tokens: readonly string[]): AlterAction {
  // The name may be a word that means something: it is skipped.
  const [kind = '', next = ''] = tokens[1] === 'CONSTRAINT' ? tokens.slice(3) : tokens.slice(1);
  const isNotValid = has(tokens, 'NOT', 'VALID');
  switch (kind) {
    case 'FOREIGN':
      return {
        lock: 'SHARE ROW EXCLUSIVE',
        works: isNotValid ? [] : [work('scans', 'ADD FOREIGN KEY', ways.constraint)],
        others: referencedTables(tokens),
      };
    case 'CHECK':
    case 'NOT':
      return takes(
        'ACCESS EXCLUSIVE',
        ...(isNotValid ? [] : [work('scans', `ADD ${kind === 'NOT' ? 'NOT NULL' : 'CHECK'}`, ways.constraint)]),
      );
    case 'EXCLUDE':
      return takes('ACCESS EXCLUSIVE', work('indexes', 'ADD EXCLUDE', ways.quiet));
    default: {
      const usesIndex = next === 'USING' || tokens.at(tokens.indexOf('KEY') + 1) === 'USING';
      const by = kind === 'PRIMARY' ? 'ADD PRIMARY KEY' : 'ADD UNIQUE';
      return takes('ACCESS EXCLUSIVE', ...(usesIndex ? [] : [work('indexes', by, ways.key)]));
    }
  }
}

/** What stands in a column's definition; its type is no keyword of these, and its name is skipped. */
function addsColumn(tokens: readonly string[]): AlterAction {
  let at = tokens[1] === 'COLUMN' ? 2 : 1;
  if (tokens[at] === 'IF') at += 3;
  const definition = tokens.slice(at + 1);
  const works: Work[] = [];
  const calls = callsIn(definition.slice(indexOrEnd(definition, 'DEFAULT')));
  if (calls.length > 0) works.push(work('rewrites', 'a volatile DEFAULT', ways.default, { kind: 'calls', calls }));
  if (/^(BIG|SMALL)?SERIAL[248]?$/.test(definition[0] ?? '')) works.push(work('rewrites', 'SERIAL', ways.column));
  if (definition.includes('GENERATED') && (definition.includes('STORED') || definition.includes('IDENTITY'))) {
    works.push(work('rewrites', 'GENERATED', ways.column));
  }
  if (definition.includes('UNIQUE') || has(definition, 'PRIMARY', 'KEY')) {
    works.push(work('indexes', 'UNIQUE or PRIMARY KEY', ways.key));
  }
  if (definition.includes('CHECK')) works.push(work('scans', 'CHECK', ways.constraint));
  // A new column of NULLs refers to nothing: its foreign key is not looked at unless there is a default.
  const others = referencedTables(definition);
  if (others.length > 0 && definition.includes('DEFAULT')) works.push(work('scans', 'REFERENCES', ways.constraint));
  return { lock: 'ACCESS EXCLUSIVE', works, others };
}

function altersColumn(tokens: readonly string[]): AlterAction {
  const at = tokens[1] === 'COLUMN' ? 2 : 1;
  const column = nameOf(tokens[at] ?? '') ?? '';
  const [first = '', second = '', third = ''] = tokens.slice(at + 1);
  if (first === 'TYPE' || (first === 'SET' && second === 'DATA')) {
    const type = tokens.slice(at + (first === 'TYPE' ? 2 : 4));
    const end = type.findIndex((token) => token === 'USING' || token === 'COLLATE');
    const spares = end < 0 ? ({ kind: 'type', column, type: joined(type) } as const) : null;
    return takes('ACCESS EXCLUSIVE', work('rewrites', 'ALTER COLUMN … TYPE', ways.type, spares));
  }
  if (first === 'SET' && second === 'NOT' && third === 'NULL') {
    return takes('ACCESS EXCLUSIVE', work('scans', 'SET NOT NULL', ways.notNull, { kind: 'not-null', column }));
  }
  if (first === 'SET' && second === 'EXPRESSION') {
    return takes('ACCESS EXCLUSIVE', work('rewrites', 'SET EXPRESSION', ways.type));
  }
  const isPlanning = (first === 'SET' && (second === 'STATISTICS' || second === '(')) || first === 'RESET';
  return takes(isPlanning ? 'SHARE UPDATE EXCLUSIVE' : 'ACCESS EXCLUSIVE');
}

function sets(tokens: readonly string[]): AlterAction {
  const [, second = '', third = ''] = tokens;
  if (second === '(' || (second === 'WITHOUT' && third === 'CLUSTER')) return takes('SHARE UPDATE EXCLUSIVE');
  const moves = ['LOGGED', 'UNLOGGED', 'TABLESPACE', 'ACCESS'].includes(second);
  return takes('ACCESS EXCLUSIVE', ...(moves ? [work('rewrites', `SET ${second}`, ways.quiet)] : []));
}

function changesPartition(tokens: readonly string[]): AlterAction {
  const isAttached = tokens[0] === 'ATTACH';
  const partition = relationAt(tokens, 2);
  const isBeside = !isAttached && (tokens.includes('CONCURRENTLY') || tokens.includes('FINALIZE'));
  const scan = isAttached ? [work('scans', 'ATTACH PARTITION', ways.partition)] : [];
  return {
    lock: isAttached || isBeside ? 'SHARE UPDATE EXCLUSIVE' : 'ACCESS EXCLUSIVE',
    works: [],
    others:
      partition === null
        ? []
        : [{ relation: partition.relation, lock: 'ACCESS EXCLUSIVE', reach: 'children', need: 'owner', works: scan }],
  };
}

/** The tables that foreign keys refer to: they get triggers. */
export function referencedTables(tokens: readonly string[]): OtherTable[] {
  return tokens.flatMap((token, at) => {
    const found = token === 'REFERENCES' ? relationAt(tokens, at + 1) : null;
    return found === null
      ? []
      : [
          {
            relation: found.relation,
            lock: 'SHARE ROW EXCLUSIVE',
            reach: 'children',
            need: 'REFERENCES',
            works: [],
          } as const,
        ];
  });
}

/** The lock of the whole statement, which is that of its strongest action. */
export function lockOf(actions: readonly AlterAction[]): LockMode {
  return strongest('SHARE UPDATE EXCLUSIVE', ...actions.map(({ lock }) => lock));
}

/** Names before a parenthesis. Some are types, which the catalog knows as no volatile function. */
function callsIn(tokens: readonly string[]): string[][] {
  return tokens.flatMap((token, at) => {
    if (tokens[at + 1] !== '(') return [];
    const name = nameOf(token);
    if (name === null) return [];
    const schema = tokens[at - 1] === '.' ? nameOf(tokens[at - 2] ?? '') : null;
    return [schema === null ? [name] : [schema, name]];
  });
}

function has(tokens: readonly string[], ...words: readonly string[]): boolean {
  return tokens.some((_token, at) => words.every((word, next) => tokens[at + next] === word));
}

function indexOrEnd(tokens: readonly string[], word: string): number {
  const at = tokens.indexOf(word);
  return at < 0 ? tokens.length : at;
}

/** A type as the server reads it, spaces or none. */
function joined(tokens: readonly string[]): string {
  return tokens.map((token) => (/^["']/.test(token) ? token : token.toLowerCase())).join(' ');
}
