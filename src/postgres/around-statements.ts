import type { Session } from './session.ts';

/** The session, with something done around each of its statements: `around` sends it and gives what it gave. */
export function aroundStatements(
  session: Session,
  around: <Result>(send: () => Promise<Result>) => Promise<Result>,
): Session {
  return {
    ...session,
    rows: <Row extends object>(statement: Parameters<Session['rows']>[0]) => around(() => session.rows<Row>(statement)),
    run: (text) => around(() => session.run(text)),
    copyIn: (statement, data) => around(() => session.copyIn(statement, data)),
  };
}
