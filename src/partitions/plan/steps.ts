import type { SourceFacts } from '../convert/source-facts.ts';
import { shownIdent, shownTable } from '../shown-name.ts';

/** One step of a conversion: what it sends, what it locks of what clients use, and for how long. */
export interface Step {
  readonly phase: string;
  /** In the form in which it is sent; … stands for what is long. */
  readonly statement: string;
  readonly lock: string;
  readonly held: string;
}

const none = 'none on what clients use';

/** The tables whose foreign keys refer to it, each once: they are locked and changed with it in the exchange. */
export function referringTables(facts: SourceFacts): readonly string[] {
  return [...new Set(facts.dependents.flatMap(({ inbound }) => (inbound === null ? [] : [shownTable(inbound.table)])))];
}

/** How foreign keys of other tables come to be valid again, behind the exchange; nothing where there is none. */
export function inboundSteps(facts: SourceFacts): readonly Step[] {
  return referringTables(facts).map((name) => ({
    phase: 'swapped',
    statement: `ALTER TABLE ${name} VALIDATE CONSTRAINT …`,
    lock: `SHARE UPDATE EXCLUSIVE on ${name}, ROW SHARE on ${shownTable(facts)}: nobody waits`,
    held: `while it reads ${name}`,
  }));
}

/**
 * What a conversion does, in order: the files of `convert/`, one phase each. Lock levels by the manual (13.3.1), times as
 * docs/partitions.md has measured them.
 */
export function stepsOf(facts: SourceFacts, column: string, partitions: number | null): readonly Step[] {
  const table = shownTable(facts);
  const referenced = [...new Set(facts.foreignKeys.map(({ references }) => shownTable(references)))];
  const referring = referringTables(facts);
  const others = (mode: string) => referenced.map((name) => `, ${mode} on ${name}`).join('');
  return [
    {
      phase: 'prepared',
      statement: `CREATE TABLE … (LIKE ${table} INCLUDING ALL EXCLUDING INDEXES) PARTITION BY RANGE (${shownIdent(column)}), with ${partitions ?? 'its'} partitions and a DEFAULT one`,
      lock: `ACCESS SHARE on ${table}, as a reader has it`,
      held: 'some milliseconds a partition',
    },
    {
      phase: 'copying',
      statement: `CREATE TRIGGER … AFTER INSERT, UPDATE, DELETE, and BEFORE TRUNCATE ON ${table}`,
      lock: `SHARE ROW EXCLUSIVE on ${table}: writers wait`,
      held: 'waited for at most 200 ms a try, held some milliseconds',
    },
    {
      phase: 'copying',
      statement: `INSERT INTO … SELECT … FROM ${table} WHERE ctid >= … AND ctid < …`,
      lock: `ACCESS SHARE on ${table}`,
      held: 'each transaction a stretch of blocks',
    },
    {
      phase: 'indexing',
      statement: `CREATE INDEX …, ALTER TABLE … ADD CONSTRAINT … on the new table: ${facts.indexes.length} of them`,
      lock: none,
      held: 'as long as it takes',
    },
    {
      phase: 'replaying',
      statement: 'DELETE and INSERT of what the log of keys names; then both tables are compared in one snapshot',
      lock: `ACCESS SHARE on ${table}`,
      held: 'as long as it takes; the snapshot holds back VACUUM meanwhile',
    },
    {
      phase: 'the exchange',
      statement: `LOCK TABLE ${[table, ...referring, ...referenced].join(', ')}; the last changes, names, foreign keys, triggers, policies, views, sequences; COMMIT`,
      lock: `ACCESS EXCLUSIVE on ${[table, ...referring].join(', ACCESS EXCLUSIVE on ')}${others('ACCESS EXCLUSIVE')}: all clients wait`,
      held: 'waited for at most 200 ms a try; held 30 to 130 ms with 28 to 40 partitions (measured)',
    },
    ...(referenced.length === 0
      ? []
      : [
          {
            phase: 'swapped',
            statement: 'ALTER TABLE … VALIDATE CONSTRAINT …, partition by partition',
            lock: `SHARE UPDATE EXCLUSIVE on the partition${others('ROW SHARE')}: nobody waits`,
            held: 'while it reads the partition',
          },
          {
            phase: 'swapped',
            statement: `ALTER TABLE ${table} ADD CONSTRAINT … FOREIGN KEY …`,
            lock: `SHARE ROW EXCLUSIVE on ${table}: writers wait${others('ACCESS EXCLUSIVE')}`,
            held: 'waited for at most 200 ms a try, held some milliseconds',
          },
        ]),
    ...inboundSteps(facts),
    {
      phase: 'finish',
      statement: `DROP TRIGGER … ON ${table}, those of the way back`,
      lock: `ACCESS EXCLUSIVE on ${table}: all clients wait`,
      held: 'waited for at most 200 ms a try, held some milliseconds',
    },
    {
      phase: 'finish',
      statement: 'DROP TABLE of the old one, not before --retain is over',
      lock: none,
      held: 'as long as it takes',
    },
  ];
}
