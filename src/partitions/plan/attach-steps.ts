import type { SourceFacts } from '../convert/source-facts.ts';
import { shownIdent, shownTable } from '../shown-name.ts';
import { inboundSteps, referringTables, type Step } from './steps.ts';

/**
 * What a conversion with --strategy attach does, in order: the files of `convert/attach/`. Lock levels by the manual
 * (13.3.1), times as docs/partitions.md has measured them.
 */
export function attachStepsOf(
  facts: SourceFacts,
  column: string,
  keys: readonly { readonly name: string }[],
): readonly Step[] {
  const table = shownTable(facts);
  const referenced = [...new Set(facts.foreignKeys.map(({ references }) => shownTable(references)))];
  const referring = referringTables(facts);
  const others = [...referring, ...referenced].map((name) => `, ACCESS EXCLUSIVE on ${name}`).join('');
  const shortly = 'waited for at most 200 ms a try, held some milliseconds';
  return [
    {
      phase: 'prepared',
      statement: `CREATE TABLE … (LIKE ${table} INCLUDING ALL EXCLUDING INDEXES) PARTITION BY RANGE (${shownIdent(column)}), with its indexes, the partitions behind the cutover and a DEFAULT one`,
      lock: `ACCESS SHARE on ${table}, as a reader has it`,
      held: 'some milliseconds a partition',
    },
    ...keys.map(({ name }) => ({
      phase: 'prepared',
      statement: `CREATE UNIQUE INDEX CONCURRENTLY … ON ${table}, for ${name} with ${shownIdent(column)}`,
      lock: `SHARE UPDATE EXCLUSIVE on ${table}: nobody waits`,
      held: 'as long as it takes; it waits for transactions that are open',
    })),
    {
      phase: 'prepared',
      statement: `ALTER TABLE ${table} ADD CONSTRAINT … CHECK (${shownIdent(column)} < cutover) NOT VALID; rows behind the cutover are refused from here to the exchange`,
      lock: `ACCESS EXCLUSIVE on ${table}: all clients wait`,
      held: shortly,
    },
    {
      phase: 'prepared',
      statement: `ALTER TABLE ${table} VALIDATE CONSTRAINT …`,
      lock: `SHARE UPDATE EXCLUSIVE on ${table}: nobody waits`,
      held: 'while it reads the table',
    },
    {
      phase: 'the exchange',
      statement: `LOCK TABLE ${[table, ...referring, ...referenced].join(', ')}; names, keys, foreign keys, triggers, policies, views, sequences; ATTACH PARTITION, which reads no row; COMMIT`,
      lock: `ACCESS EXCLUSIVE on ${table}${others}: all clients wait`,
      held: shortly,
    },
    ...inboundSteps(facts),
    {
      phase: 'swapped',
      statement: `ANALYZE ${table}`,
      lock: `SHARE UPDATE EXCLUSIVE on ${table}: nobody waits`,
      held: 'while it reads a sample',
    },
    {
      phase: 'finish',
      statement: 'ALTER TABLE … DROP CONSTRAINT, DROP INDEX CONCURRENTLY of keys that were kept for the way back',
      lock: 'ACCESS EXCLUSIVE on what was the table',
      held: shortly,
    },
  ];
}
