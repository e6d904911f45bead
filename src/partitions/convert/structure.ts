import type { SourceFacts } from './source-facts.ts';

/** What must not change while a conversion is at work, as a text to be compared: the rest is read anew at the swap. */
export function structureOf(facts: SourceFacts): string {
  const { columns, checks, indexes, foreignKeys, owner, replicaIdentity, options, rights, comment } = facts;
  const inbound = facts.dependents.flatMap((dependent) => dependent.inbound ?? []);
  const plain = columns.map(({ sequence, ...column }) => ({ ...column, owns: sequence !== null }));
  return JSON.stringify({
    columns: plain,
    checks,
    indexes,
    foreignKeys,
    owner,
    replicaIdentity,
    options,
    rights,
    comment,
    ...(inbound.length > 0 && { inbound }),
  });
}
