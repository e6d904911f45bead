import { installHint, toolsInPath, whyToolsDoNotFit } from '../../backup/client-tools.ts';
import { type Check, fine } from '../check.ts';

export const clientTools: Check = {
  id: 'client-tools',
  question: 'Are pg_dump and pg_restore here, and new enough for this server?',
  why: 'A backup before a migration (--backup DIR) is made with them, and pg_dump refuses a server newer than itself.',
  beforeUp: false,
  async run({ run, session }) {
    const fit = await whyToolsDoNotFit(run, toolsInPath, session.serverVersion);
    if ('pgDump' in fit) return fine(`pg_dump ${fit.pgDump.text}`);
    return { outcome: 'warning', message: fit.reason, hint: installHint(session.serverVersion) };
  },
};
