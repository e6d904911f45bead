/**
 * Counts how often a client waits, from the bytes that pass a proxy: a turn begins when it speaks while nothing it has
 * said is unanswered. What is sent while answers are still coming in waits for nobody. Until the server is ready for
 * the first time (encryption, authentication) each change from listening to speaking is one.
 */
export function turnCounter() {
  let turns = 0;
  let ready = false;
  let spoke = false;
  let unanswered = 0;
  const said = frames((type) => {
    // Query, Sync, FunctionCall: each is answered by one ReadyForQuery. What else there is belongs to one of them.
    if (type === 'Q' || type === 'S' || type === 'F') unanswered += 1;
  });
  const heard = frames((type) => {
    if (type === 'Z') unanswered = Math.max(0, unanswered - 1);
    // CopyInResponse: the client has waited for leave to send its data.
    if (type === 'G') turns += 1;
  });
  return {
    client(bytes) {
      if (!ready) {
        if (!spoke) turns += 1;
        spoke = true;
        return;
      }
      if (unanswered === 0) turns += 1;
      said(bytes);
    },
    server(bytes) {
      spoke = false;
      if (ready) {
        heard(bytes);
        return;
      }
      // ReadyForQuery ends the answer to everything that comes before it.
      ready = bytes.length >= 6 && bytes.at(-6) === 0x5a && bytes.readInt32BE(bytes.length - 5) === 5;
    },
    take() {
      const taken = turns;
      turns = 0;
      return taken;
    },
  };
}

/** Calls `found` with the type of each message of the protocol, however the bytes are cut. */
function frames(found) {
  let header = Buffer.alloc(0);
  let skip = 0;
  return (bytes) => {
    let at = 0;
    while (at < bytes.length) {
      if (skip > 0) {
        const step = Math.min(skip, bytes.length - at);
        skip -= step;
        at += step;
        continue;
      }
      const step = Math.min(5 - header.length, bytes.length - at);
      header = Buffer.concat([header, bytes.subarray(at, at + step)]);
      at += step;
      if (header.length < 5) return;
      found(String.fromCharCode(header[0]));
      skip = header.readInt32BE(1) - 4;
      header = Buffer.alloc(0);
    }
  };
}
