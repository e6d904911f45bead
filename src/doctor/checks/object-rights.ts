import { ident, sql } from '../../postgres/sql.ts';
import { type Check, type CheckContext, type Finding, fine } from '../check.ts';
import { firstOf } from '../first-of.ts';
import { namedRelations } from '../named-relations.ts';
import { type PlacedTable, placeOf, touchedTables } from '../touched-tables.ts';

/** A right that a pending statement needs and the role has not. */
interface Missing {
  /** Of the statement, from 1. */
  readonly position: number;
  readonly need: string;
  readonly schema: string;
  readonly name: string;
  /** r, p, v, m, f as in pg_class. */
  readonly kind: string;
  readonly owner: string;
  /** Nobody should be given a superuser's rights for a table. */
  readonly owner_is_superuser: boolean;
  readonly role: string;
  readonly uses_schema: boolean;
  readonly creates_in_schema: boolean;
  readonly granted: boolean;
}

/** A right in words, and the statement that gives it. */
interface Lack {
  readonly what: string;
  readonly grant: string;
}

export const objectRights: Check = {
  id: 'object-rights',
  question: 'May the role do to the tables that are there what the pending files do to them?',
  why: 'Only its owner may alter a table, and a migration that is refused in its last statement has kept everybody waiting for nothing.',
  beforeUp: false,
  async run({ session, pending }) {
    const { tables, unplaced } = touchedTables(pending);
    const judged = tables.filter(({ isOwnRole, need }) => isOwnRole && need !== null);
    const missing = judged.length === 0 ? [] : await readMissing(session, judged);
    const lacks = new Map<string, { readonly what: string; readonly touched: PlacedTable }>();
    for (const one of missing) {
      const touched = judged[one.position - 1];
      if (touched === undefined) continue;
      for (const { what, grant } of lacksOf(one)) {
        if (!lacks.has(grant)) lacks.set(grant, { what, touched });
      }
    }
    const [first] = missing;
    if (first !== undefined) {
      return {
        outcome: 'failure',
        message: `${first.role} lacks ${firstOf([...lacks.values()], ({ what, touched }) => `${what} (${placeOf(touched)})`)}`,
        hint: [...lacks.keys()].join(' '),
      };
    }
    if (tables.some(({ isOwnRole }) => !isOwnRole))
      return notKnown('role or owners', 'run them as that role, or see to its rights');
    if (unplaced > 0) return notKnown('search_path', 'write the schema before the names of tables');
    return fine(judged.length === 0 ? 'no pending statement needs one' : 'the role may do it');
  },
};

function notKnown(what: string, hint: string): Finding {
  return {
    outcome: 'unknown',
    message: `pending files change ${what}: what may be done behind that is not known`,
    hint,
  };
}

/** Of a role that has not the USAGE of a schema, nothing in it can be told by name: so the catalog is asked by oid. */
async function readMissing(session: CheckContext['session'], judged: readonly PlacedTable[]): Promise<Missing[]> {
  // Before PostgreSQL 17 there was no such right, and to ask for it is an error.
  const maintain = session.serverVersion >= 170_000 ? 'MAINTAIN' : 'TRIGGER';
  const owns = sql`pg_catalog.pg_has_role(c.relowner, 'USAGE')`;
  return session.rows<Missing & object>(sql`WITH named AS (${namedRelations(judged.map(({ relation }) => relation))}),
asked AS (
SELECT a.position, w.need, n.nspname::pg_catalog.text AS schema, c.relname::pg_catalog.text AS name, c.relkind::pg_catalog.text AS kind,
  o.rolname::pg_catalog.text AS owner, o.rolsuper AS owner_is_superuser, current_user::pg_catalog.text AS role,
  pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS uses_schema,
  w.need <> 'owner-and-create' OR pg_catalog.has_schema_privilege(n.oid, 'CREATE') AS creates_in_schema,
  CASE WHEN w.need = 'drop' THEN ${owns} OR pg_catalog.pg_has_role(n.nspowner, 'USAGE')
    WHEN w.need IN ('owner', 'owner-and-create') THEN ${owns}
    WHEN w.need = 'maintain' THEN ${owns} OR (${session.serverVersion >= 170_000} AND pg_catalog.has_table_privilege(c.oid, ${maintain}))
    WHEN w.need IN ('INSERT', 'UPDATE', 'REFERENCES') THEN pg_catalog.has_any_column_privilege(c.oid, w.need)
    ELSE pg_catalog.has_table_privilege(c.oid, w.need) END AS granted
FROM named AS a JOIN pg_catalog.unnest(${judged.map(({ need }) => need ?? '')}) WITH ORDINALITY AS w(need, position) ON w.position = a.position
JOIN pg_catalog.pg_class AS c ON c.oid = a.table_oid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_roles AS o ON o.oid = c.relowner)
SELECT position::pg_catalog.float8 AS position, need, schema, name, kind, owner, owner_is_superuser, role, uses_schema, creates_in_schema, granted
FROM asked WHERE NOT (uses_schema AND creates_in_schema AND granted) ORDER BY asked.position`);
}

function lacksOf({ need, schema, name, kind, owner, role, ...has }: Missing): Lack[] {
  const table = ident(schema, name).text;
  const to = ident(role).text;
  const lacks: Lack[] = [];
  const ofSchema = (right: string) =>
    lacks.push({
      what: `${right} on schema ${schema}`,
      grant: `GRANT ${right} ON SCHEMA ${ident(schema).text} TO ${to};`,
    });
  if (!has.uses_schema) ofSchema('USAGE');
  if (!has.creates_in_schema) ofSchema('CREATE');
  if (has.granted) return lacks;
  if (need === need.toUpperCase())
    return [...lacks, { what: `${need} on ${table}`, grant: `GRANT ${need} ON ${table} TO ${to};` }];
  const grant = has.owner_is_superuser
    ? `ALTER ${kinds[kind] ?? 'TABLE'} ${table} OWNER TO ${to};`
    : `GRANT ${ident(owner).text} TO ${to};`;
  return [...lacks, { what: `ownership of ${table}, which is ${owner}'s`, grant }];
}

const kinds: Readonly<Record<string, string>> = { v: 'VIEW', m: 'MATERIALIZED VIEW', f: 'FOREIGN TABLE' };
