import { type Check, fine } from '../check.ts';

const oldest = 15;

export const serverVersion: Check = {
  id: 'server-version',
  question: 'Is the server PostgreSQL 15 or later?',
  why: 'Migrations are written for and tested on PostgreSQL 15 and later; older servers refuse some of their statements.',
  beforeUp: true,
  async run({ session }) {
    if (session.serverVersion >= oldest * 10_000) return fine(`PostgreSQL ${session.serverVersionText}`);
    return {
      outcome: 'failure',
      message: `the server is PostgreSQL ${session.serverVersionText}; ${oldest} is the oldest that will do`,
      hint: `upgrade the server to PostgreSQL ${oldest} or later (pg_upgrade, or dump and restore), or correct --database-url`,
    };
  },
};
