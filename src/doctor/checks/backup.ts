import { estimateBytes, userDataExists } from '../../backup/user-data.ts';
import { showBytes } from '../bytes.ts';
import { type Check, fine } from '../check.ts';

/** Not asked before an `up`: there the backup gate asks, and takes one. */
export const backup: Check = {
  id: 'backup',
  question: 'Is there data that a backup should hold before a migration?',
  why: 'A down file brings a schema back, never the rows that were in it.',
  beforeUp: false,
  async run({ session, ledgerSchema }) {
    if (!(await userDataExists(session, ledgerSchema))) return fine('no rows in user tables: nothing to back up');
    return {
      outcome: 'warning',
      message: `the database holds data (${showBytes(await estimateBytes(session))} with indexes); up will want a backup`,
      hint: 'pulse-migrate up --backup DIR takes and checks one, --backup-done says that you have one',
    };
  },
};
