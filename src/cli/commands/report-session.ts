import type { Settings } from '../../config/settings.ts';
import type { Invocation } from '../cli.ts';
import { type Opened, openSession } from '../open.ts';

/** Opens a session for a report and closes it behind it. What the server refuses says what the report was `doing`. */
export async function onReportSession<Result>(
  invocation: Invocation,
  settings: Settings,
  doing: string,
  work: (opened: Opened) => Promise<Result>,
): Promise<Result> {
  const opened = await openSession(invocation, settings);
  try {
    return await work(opened);
  } catch (error) {
    const { explainOwnStatement } = await import('../../postgres/errors.ts');
    throw explainOwnStatement(error, doing);
  } finally {
    await opened.session.close();
  }
}
