import { expect, test } from 'vitest';
import { withColumn } from '../../../../src/partitions/convert/widen.ts';

const cases = [
  ['PRIMARY KEY (id)', 'PRIMARY KEY (id, "at")'],
  ['UNIQUE (repo_id, sha) INCLUDE (x) DEFERRABLE', 'UNIQUE (repo_id, sha, "at") INCLUDE (x) DEFERRABLE'],
  [
    'USING btree (lower((a)::text), b DESC) WHERE (c > 0)',
    'USING btree (lower((a)::text), b DESC, "at") WHERE (c > 0)',
  ],
  ["USING btree (\"odd ) name\", f('it''s )'::text))", 'USING btree ("odd ) name", f(\'it\'\'s )\'::text), "at")'],
  ['UNIQUE NULLS NOT DISTINCT (a)', 'UNIQUE NULLS NOT DISTINCT (a, "at")'],
] as const;

test.for(cases)('%s gets the column behind its others', ([definition, widened]) => {
  expect(withColumn(definition, '"at"')).toBe(widened);
});
