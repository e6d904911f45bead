import type { Session } from './session.ts';

/**
 * The session, with a watch over its statements: `begin` is called when one is sent and no other is under way, and what
 * it gave when all of them have been answered. Statements may be sent without waiting for those before. `ready` is
 * waited for before one is sent, where there is something to wait for.
 */
export function aroundStatements(
  session: Session,
  begin: () => () => void,
  ready: () => Promise<unknown> | null = () => null,
): Session {
  let underWay = 0;
  let end = () => {};
  const watched = async <Result>(send: () => Promise<Result>): Promise<Result> => {
    for (let wait = ready(); wait !== null; wait = ready()) await wait;
    if (underWay === 0) end = begin();
    underWay += 1;
    try {
      return await send();
    } finally {
      underWay -= 1;
      if (underWay === 0) end();
    }
  };
  return {
    ...session,
    rows: <Row extends object>(statement: Parameters<Session['rows']>[0]) =>
      watched(() => session.rows<Row>(statement)),
    run: (text) => watched(() => session.run(text)),
    copyIn: (statement, data) => watched(() => session.copyIn(statement, data)),
  };
}
