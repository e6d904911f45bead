import { sql } from '../../postgres/sql.ts';
import { type Check, fine } from '../check.ts';

interface Archiver {
  readonly mode: string;
  /** ISO 8601; null: never. */
  readonly archived: string | null;
  readonly failed: string | null;
  readonly file: string | null;
  readonly isFailing: boolean;
}

export const walArchiving: Check = {
  id: 'wal-archiving',
  question: 'Is the WAL archived?',
  why: 'Without its WAL a backup cannot be brought to the minute before the migration, and WAL that is not archived fills the disk.',
  beforeUp: false,
  async run({ session }) {
    const [archiver] = await session.rows<Archiver>(sql`SELECT pg_catalog.current_setting('archive_mode') AS mode,
  pg_catalog.to_char(a.last_archived_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS archived,
  pg_catalog.to_char(a.last_failed_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS failed,
  a.last_failed_wal AS file, COALESCE(a.last_failed_time > COALESCE(a.last_archived_time, '-infinity'::pg_catalog.timestamptz), false) AS "isFailing"
FROM pg_catalog.pg_stat_archiver AS a`);
    if (archiver === undefined || archiver.mode === 'off')
      return fine('the server archives no WAL (archive_mode is off)');
    const { archived, failed, file, isFailing } = archiver;
    if (!isFailing)
      return fine(archived === null ? 'no WAL was to be archived yet' : `WAL was archived at ${archived}`);
    return {
      outcome: 'failure',
      message: `WAL is not archived: ${file} failed at ${failed}, ${archived === null ? 'and none was ever archived' : `the last one was archived at ${archived}`}`,
      hint: "the server's log says what archive_command or archive_library answered; mend that, then run the command again",
    };
  },
};
