import { quoteLiteral } from '../../postgres/identifiers.ts';
import { sql } from '../../postgres/sql.ts';
import { showBytes } from '../bytes.ts';
import { type Check, fine } from '../check.ts';
import { firstOf } from '../first-of.ts';

interface Slot {
  readonly name: string;
  readonly active: boolean;
  readonly status: string | null;
  /** WAL that the server keeps for it, bytes. */
  readonly kept: number | null;
}

export const replicationSlots: Check = {
  id: 'replication-slots',
  question: 'Does every replication slot have a reader?',
  why: 'For a slot that nobody reads the server keeps all WAL, and a large migration writes much of it: a full WAL disk stops the server.',
  beforeUp: false,
  async run({ session }) {
    const slots =
      await session.rows<Slot>(sql`SELECT s.slot_name::pg_catalog.text AS name, s.active, s.wal_status AS status,
  pg_catalog.pg_wal_lsn_diff(CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END, s.restart_lsn)::pg_catalog.float8 AS kept
FROM pg_catalog.pg_replication_slots AS s WHERE NOT s.temporary ORDER BY 1`);
    const idle = slots.filter(({ active }) => !active);
    const [first] = idle;
    if (first === undefined) {
      return fine(slots.length === 0 ? 'there is no replication slot' : 'every replication slot has a reader');
    }
    return {
      outcome: 'warning',
      message: `nobody reads ${firstOf(idle.map(shown))}`,
      hint: `start its standby or subscriber again; if there is none any more: SELECT pg_drop_replication_slot(${quoteLiteral(first.name)})`,
    };
  },
};

function shown({ name, status, kept }: Slot): string {
  if (status === 'lost') return `${name} (its WAL is lost: it has to be made again)`;
  return kept === null ? name : `${name} (${showBytes(Math.max(0, kept))} of WAL are kept for it)`;
}
