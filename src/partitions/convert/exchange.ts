import { ident } from '../../postgres/sql.ts';
import type { TableName } from '../catalog.ts';
import type { Conversion } from './conversion.ts';
import type { Way } from './replay.ts';
import { nameSql, type SourceFacts } from './source-facts.ts';

/** The names that change hands: those of the tables, their indexes and the sequences of identity columns. */
export function renames({ schema, name, spec }: Conversion, way: Way): readonly string[] {
  const { newName, oldName } = spec;
  const at = (table: string) => nameSql({ schema, name: table });
  const [leaving, coming] = way === 'forward' ? [oldName, newName] : [newName, oldName];
  const index = ({ isConstraint }: { readonly isConstraint: boolean }, table: string, from: string, to: string) =>
    isConstraint
      ? `ALTER TABLE ${at(table)} RENAME CONSTRAINT ${ident(from).text} TO ${ident(to).text}`
      : `ALTER INDEX ${at(from)} RENAME TO ${ident(to).text}`;
  return [
    `ALTER TABLE ${at(name)} RENAME TO ${ident(leaving).text}`,
    `ALTER TABLE ${at(coming)} RENAME TO ${ident(name).text}`,
    ...spec.indexes.flatMap((planned) => {
      const [out, back] = way === 'forward' ? [planned.oldName, planned.newName] : [planned.newName, planned.oldName];
      return [index(planned, leaving, planned.name, out), index(planned, name, back, planned.name)];
    }),
    ...spec.identities.flatMap(({ sequence, ...names }) => {
      const [out, back] = way === 'forward' ? [names.oldName, names.newName] : [names.newName, names.oldName];
      return sequenceExchange(sequence, out, back, schema);
    }),
    ...spec.serials.map(
      ({ column, sequence }) => `ALTER SEQUENCE ${nameSql(sequence)} OWNED BY ${at(name)}.${ident(column).text}`,
    ),
  ];
}

/** The sequence that comes goes on where the one that leaves stood. */
function sequenceExchange(sequence: TableName, leaving: string, coming: string, schema: string): readonly string[] {
  const before = nameSql({ schema: sequence.schema, name: leaving });
  return [
    `ALTER SEQUENCE ${nameSql(sequence)} RENAME TO ${ident(leaving).text}`,
    `ALTER SEQUENCE ${nameSql({ schema, name: coming })} RENAME TO ${ident(sequence.name).text}`,
    `SELECT pg_catalog.setval('${nameSql({ schema, name: sequence.name }).replaceAll("'", "''")}'::pg_catalog.regclass, last_value, is_called) FROM ${before}`,
  ];
}

/** Views and functions that name the table follow the name: by themselves they would go on with the old table. */
export function dependentsAgain({ dependents }: Pick<SourceFacts, 'dependents'>): readonly string[] {
  return dependents.flatMap(({ kind, sql }) => ((kind === 'view' || kind === 'function') && sql !== null ? [sql] : []));
}

/** What the table has of its own goes onto the partitioned one, which has its name by now. */
export function ontoPartitions(facts: SourceFacts, live: string): readonly string[] {
  return [
    ...facts.triggers.map(({ definition }) => definition),
    ...facts.policies.map((policy) => policy.sql),
    ...(facts.rowSecurity ? [`ALTER TABLE ${live} ENABLE ROW LEVEL SECURITY`] : []),
    ...(facts.forceRowSecurity ? [`ALTER TABLE ${live} FORCE ROW LEVEL SECURITY`] : []),
  ];
}

/** The publications go with the name. `leaving` is the name of the table that is not live any more. */
export function publicationsAgain({ schema, name, spec }: Conversion, leaving: string): readonly string[] {
  return spec.publications.flatMap((publication) => [
    `ALTER PUBLICATION ${ident(publication).text} DROP TABLE ${nameSql({ schema, name: leaving })}`,
    `ALTER PUBLICATION ${ident(publication).text} ADD TABLE ${nameSql({ schema, name })}`,
  ]);
}

/**
 * The locks on the tables themselves and on those that foreign keys refer to, in the order in which clients take them.
 * There are two: who inserts locks the table and then, to look for the key, the one it refers to; who deletes there, or
 * writes to both, comes the other way. Against a steady load of one kind the wrong order never succeeds: while the
 * first lock is waited for, each client takes the second. So the tries take turns, beginning with that of an INSERT.
 * @param attempt counted from 1.
 */
export function locksOf(
  { spec }: Pick<Conversion, 'spec'>,
  own: readonly string[],
  attempt: number,
  ownMode = 'ACCESS EXCLUSIVE',
): string {
  const lock = (mode: string) => (table: string) => `LOCK TABLE ${table} IN ${mode} MODE`;
  // A constraint cannot come or go without those of its triggers that are there.
  const referenced = [...new Set(spec.foreignKeys.map(({ references }) => nameSql(references)))]
    .toSorted()
    .map(lock('ACCESS EXCLUSIVE'));
  const ours = own.map(lock(ownMode));
  return (attempt % 2 === 1 ? [...ours, ...referenced] : [...referenced, ...ours]).join(';\n');
}
