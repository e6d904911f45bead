import { quoteIdentifier } from '../../postgres/identifiers.ts';
import { sql } from '../../postgres/sql.ts';
import { type Check, fine } from '../check.ts';
import { changesWhoOrWhere, touchedTables } from '../touched-tables.ts';

interface Missing {
  readonly table: string;
  readonly need: string;
  readonly owner: string;
  readonly role: string;
}

export const objectRights: Check = {
  id: 'object-rights',
  question: 'May the role do to the tables that are there what the pending files do to them?',
  why: 'Only its owner may alter a table, and a migration that is refused in its last statement has kept everybody waiting for nothing.',
  beforeUp: false,
  async run({ session, pending }) {
    const touched = touchedTables(pending);
    if (touched.length === 0) return fine('no pending statement names a table');
    // A file may give itself the right, or become somebody who has it.
    const gives = pending.some(({ up }) =>
      up.statements.some(({ keywords: [first = ''] }) => ['GRANT', 'REASSIGN'].includes(first)),
    );
    if (gives || changesWhoOrWhere(pending)) {
      return {
        outcome: 'unknown',
        message: 'the pending files change rights, role or search_path: what they may do then is not known',
        hint: null,
      };
    }
    const wanted = new Map(
      touched.map(({ name, need }) => {
        const quoted = name.map(quoteIdentifier).join('.');
        return [`${need} ${quoted}`, { quoted, need }];
      }),
    );
    const pairs = [...wanted.values()];
    const missing =
      await session.rows<Missing>(sql`SELECT DISTINCT c.oid::pg_catalog.regclass::pg_catalog.text AS "table", w.need,
  c.relowner::pg_catalog.regrole::pg_catalog.text AS owner, current_user::pg_catalog.text AS role
FROM ROWS FROM (pg_catalog.unnest(${pairs.map(({ quoted }) => quoted)}), pg_catalog.unnest(${pairs.map(({ need }) => need)})) AS w(name, need)
JOIN pg_catalog.pg_class AS c ON c.oid = pg_catalog.to_regclass(w.name)::pg_catalog.oid AND c.relkind::pg_catalog.text = ANY (${['r', 'p', 'm', 'f', 'v']})
WHERE NOT CASE w.need WHEN 'owner' THEN pg_catalog.pg_has_role(c.relowner, 'USAGE') ELSE pg_catalog.has_table_privilege(c.oid, w.need) END
ORDER BY 1, 2`);
    const [first] = missing;
    if (first === undefined) return fine('the role may do it');
    return {
      outcome: 'failure',
      message: `${first.role} ${missing.map(({ table, need, owner }) => (need === 'owner' ? `does not own ${table} (${owner} does)` : `lacks ${need} on ${table}`)).join(', ')}`,
      hint: missing.map(mending).join(' '),
    };
  },
};

function mending({ table, need, owner, role }: Missing): string {
  const to = quoteIdentifier(role);
  return need === 'owner'
    ? `GRANT ${owner} TO ${to}; or run the migrations as ${owner};`
    : `GRANT ${need} ON ${table} TO ${to};`;
}
