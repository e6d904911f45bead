import { closestName } from '../closest-name.ts';
import type { RetentionAction, RetentionRule } from '../retention-rule.ts';
import { type Column, type Reference, shownName, type Target } from './target.ts';

/** Why a rule cannot be carried out, and what to do about it. */
export interface Obstacle {
  readonly why: string;
  readonly cure: string;
}

/** What is worth knowing of a rule before it runs. */
export interface Judgement {
  readonly obstacles: readonly Obstacle[];
  readonly warnings: readonly string[];
}

/** Whether a rule takes whole partitions, and no single row. */
export function byPartition(action: RetentionAction): boolean {
  return action === 'drop-partition' || action === 'archive';
}

/** Holds a rule against the table as it is: nothing of it may come out only when rows are gone. Pure. */
export function judgeRule(rule: RetentionRule, target: Target): Judgement {
  // What it takes is no row of the table.
  if (rule.action === 'delete-archives') return { obstacles: timeObstacles(rule, target), warnings: [] };
  return {
    obstacles: [
      ...timeObstacles(rule, target),
      ...leafObstacles(rule, target),
      ...columnObstacles(rule, target),
      ...referenceObstacles(rule, target),
    ],
    warnings: [...indexWarnings(rule, target), ...referenceWarnings(rule, target)],
  };
}

function timeObstacles({ time }: RetentionRule, { columns, timeType }: Target): Obstacle[] {
  if (timeType !== null) return [];
  const column = columns.find(({ name }) => name === time);
  if (column !== undefined) {
    return [
      { why: `its column ${time} is ${column.type}, and no time`, cure: 'name a date, timestamp or timestamptz' },
    ];
  }
  return [unknownColumn(time, columns, 'time')];
}

function unknownColumn(name: string, columns: readonly Column[], key: string): Obstacle {
  const names = columns.map((column) => column.name);
  const meant = closestName(name, names);
  return {
    why: `it has no column ${name} (${key})`,
    cure: meant === null ? `its columns: ${names.join(', ')}` : `did you mean ${meant}?`,
  };
}

function leafObstacles({ action, table, time }: RetentionRule, { leaves, isPartitioned }: Target): Obstacle[] {
  const foreign = leaves.find(({ isTable }) => !isTable);
  if (foreign !== undefined) {
    return [
      {
        why: `its partition ${foreign.name} is no table of this database`,
        cure: 'give the rule to its partitions one by one',
      },
    ];
  }
  if (!byPartition(action) || isPartitioned) return [];
  if (action === 'drop-partition') {
    return [{ why: 'it is not partitioned, so there is no partition to drop', cure: 'write action: delete' }];
  }
  return [
    {
      why: 'it is not partitioned, and only whole partitions are archived',
      cure: `convert it first: pulse-migrate partition convert ${table} --by ${time}; or, if its rows may go without an archive, write action: delete`,
    },
  ];
}

function columnObstacles(rule: RetentionRule, { columns }: Target): Obstacle[] {
  const { action, by, time } = rule;
  if (action !== 'downsample' && action !== 'keep-one-a-day') return [];
  const obstacles: Obstacle[] = [];
  const known = new Set(columns.map(({ name }) => name));
  for (const name of by) if (!known.has(name)) obstacles.push(unknownColumn(name, columns, 'by'));
  if (by.length === 0) obstacles.push({ why: 'it groups by no column', cure: 'write for example by: [team_id]' });
  if (by.includes(time)) obstacles.push({ why: `it groups by its own time ${time}`, cure: `take ${time} out of by` });
  if (action === 'keep-one-a-day') return obstacles;
  const told = new Map(rule.columns);
  for (const [name, how] of told) {
    const column = columns.find((candidate) => candidate.name === name);
    if (column === undefined) obstacles.push(unknownColumn(name, columns, 'columns'));
    else if (column.isGenerated) {
      obstacles.push({
        why: `its column ${name} is generated`,
        cure: `take ${name} out of columns: it follows the others`,
      });
    } else if (column.isArray && (how === 'newest' || how === 'oldest')) {
      obstacles.push({
        why: `its column ${name} is an array, of which ${how} cannot be taken`,
        cure: 'write min or max',
      });
    } else if (name === time || by.includes(name)) {
      obstacles.push({
        why: `its column ${name} stands in columns and in ${name === time ? 'time' : 'by'}`,
        cure: 'name it once',
      });
    }
  }
  const untold = columns.filter(
    ({ name, isGenerated }) => !isGenerated && name !== time && !by.includes(name) && !told.has(name),
  );
  if (untold.length > 0) {
    const names = untold.map(({ name }) => name);
    obstacles.push({
      why: `it does not say what becomes of ${names.join(', ')}: what these hold would be lost`,
      cure: `add to columns: { ${names.map((name) => `${name}: newest`).join(', ')} }`,
    });
  }
  return obstacles;
}

/** The tables in which rows go or change along, apart from those that the rule names. */
function referenceObstacles(rule: RetentionRule, target: Target): Obstacle[] {
  const obstacles: Obstacle[] = [];
  for (const { name, oid } of target.named) {
    if (oid === null)
      obstacles.push({ why: `cascade names ${name}, and there is no such table`, cure: 'correct the name' });
  }
  // To detach it is possible as long as no row points at the partition, which is looked into when it is done.
  if (rule.action === 'archive') return obstacles;
  if (rule.action === 'drop-partition') {
    const [first] = target.references;
    if (first !== undefined) {
      obstacles.push({
        why: `the foreign key ${first.constraint} of ${first.from} points at it, so that its partitions cannot be dropped`,
        cure: 'write action: delete',
      });
    }
    return obstacles;
  }
  const named = new Set(target.named.map(({ oid }) => oid));
  const unnamed = target.references.filter(({ oid, onDelete }) => onDelete !== 'refuse' && !named.has(oid));
  if (unnamed.length === 0) return obstacles;
  const tables = [...new Set(unnamed.map(({ from }) => from))];
  obstacles.push({
    why: `to delete from it would also ${[...new Set(unnamed.map(effect))].join('; ')}`,
    cure: `if that is meant, add to the rule: cascade: [${tables.join(', ')}]`,
  });
  return obstacles;
}

/** What a foreign key does, in words. */
export function effect({ constraint, from, onDelete }: Reference): string {
  switch (onDelete) {
    case 'cascade':
      return `delete from ${from} (${constraint}, ON DELETE CASCADE)`;
    case 'set null':
      return `empty columns of ${from} (${constraint}, ON DELETE SET NULL)`;
    case 'set default':
      return `change columns of ${from} (${constraint}, ON DELETE SET DEFAULT)`;
    case 'refuse':
      return `fail while ${from} points at the rows (${constraint})`;
  }
}

function indexWarnings({ action, time }: RetentionRule, target: Target): string[] {
  if (byPartition(action) || target.timeType === null) return [];
  const bare = target.leaves.filter(({ hasTimeIndex }) => !hasTimeIndex);
  const [first] = bare;
  if (first === undefined) return [];
  const which = target.isPartitioned ? `${bare.length} of its partitions` : shownName(first);
  const cost = action === 'delete' ? 'all pages are read' : 'all pages are read for each period';
  return [`${which}: no B-tree index begins with ${time}, so ${cost}`];
}

function referenceWarnings({ action }: RetentionRule, target: Target): string[] {
  if (action === 'drop-partition') return [];
  if (action === 'archive') {
    return target.references.map(
      ({ constraint, from }) => `a partition cannot be archived while ${from} points at its rows (${constraint})`,
    );
  }
  const refusing = target.references.filter(({ onDelete }) => onDelete === 'refuse');
  const bare = target.references.filter(({ hasIndex }) => !hasIndex);
  return [
    ...refusing.map((reference) => `to delete will ${effect(reference)}`),
    ...bare.map(
      ({ from, constraint }) => `no index of ${from} helps ${constraint}, so each row that goes reads all of ${from}`,
    ),
  ];
}
