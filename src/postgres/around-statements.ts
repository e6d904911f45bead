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
  const enter = () => {
    if (underWay === 0) end = begin();
    underWay += 1;
  };
  const leave = () => {
    underWay -= 1;
    if (underWay === 0) end();
  };
  const watched = async <Result>(send: () => Promise<Result>): Promise<Result> => {
    for (let wait = ready(); wait !== null; wait = ready()) await wait;
    enter();
    try {
      return await send();
    } finally {
      leave();
    }
  };
  return {
    ...session,
    rows: <Row extends object>(statement: Parameters<Session['rows']>[0]) =>
      watched(() => session.rows<Row>(statement)),
    written: (statement) => watched(() => session.written(statement)),
    run: (text) => watched(() => session.run(text)),
    copyIn: (statement, data) => watched(() => session.copyIn(statement, data)),
    copyOut: async function* (statement) {
      for (let wait = ready(); wait !== null; wait = ready()) await wait;
      enter();
      try {
        yield* session.copyOut(statement);
      } finally {
        leave();
      }
    },
  };
}
