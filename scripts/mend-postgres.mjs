/**
 * Mends of postgres.js 3.4.9, applied to its source when the program is bundled and when the tests run.
 * Each names its defect; a mend that no longer fits its text fails the build, so that an update cannot drop it silently.
 */
const mends = [
  {
    defect:
      'the last words of a server that ends the connection (57P01 and its kin) are dropped, and only the loss is told',
    from: "!hadError && (query || sent.length) && error(Errors.connection('CONNECTION_CLOSED', options, socket))",
    to: "if (!hadError && (query || sent.length)) { const last = errorResponse; errorResponse = null; error(last || Errors.connection('CONNECTION_CLOSED', options, socket)) }",
  },
  {
    defect:
      'the same words, when they come while nothing is being asked, are told to nobody: they are kept on the socket',
    from: '      errored(Errors.postgres(parseError(x)))\n',
    to: '      const unasked = Errors.postgres(parseError(x))\n      if (socket) socket.lastWords = unasked\n      errored(unasked)\n',
  },
  {
    defect:
      'the same words are dropped where a reset of the connection follows them, as it does when the server has not read all that was sent to it',
    from: '      errorResponse = Errors.postgres(parseError(x))\n',
    to: "      errorResponse = Errors.postgres(parseError(x))\n      if (socket && errorResponse.severity !== 'ERROR') socket.lastWords = errorResponse\n",
  },
  {
    defect: 'how many statements of a message were done before one failed is not told, though the server says it',
    from: '  function CommandComplete(x) {\n    rows = 0\n',
    to: '  function CommandComplete(x) {\n    rows = 0\n    query && (query.completed = (query.completed || 0) + 1)\n',
  },
  {
    defect: 'a write that was put off by setImmediate meets a socket that is gone: uncaught TypeError, process dead',
    from: '    const x = socket.write(chunk, fn)\n    nextWriteTimer',
    to: '    if (!socket) { nextWriteTimer !== null && clearImmediate(nextWriteTimer); chunk = nextWriteTimer = null; return false }\n    const x = socket.write(chunk, fn)\n    nextWriteTimer',
  },
  {
    defect: 'an error of the server after the end of COPY data leaves the stream unfinished for ever',
    from: '  function errored(err) {\n',
    to: '  function errored(err) {\n    if (final) { const fail = final; final = null; fail(err) }\n',
  },
  {
    defect: 'COPY data written to a socket that is gone: uncaught TypeError',
    from: '      write(chunk, encoding, callback) {\n        socket.write(',
    to: "      write(chunk, encoding, callback) {\n        if (!socket) return callback(new Error('connection lost'))\n        socket.write(",
  },
  {
    defect:
      'a COPY stream that is done, or whose connection is lost, is destroyed with a CopyFail: to a socket that is gone, or to a server that ignores it and with it forgets its idle_in_transaction_session_timeout (measured)',
    from: '        socket.write(b().f()',
    to: '        socket && stream && error && socket.write(b().f()',
  },
  {
    defect: 'a COPY stream that ends after the loss of its connection writes to a socket that is gone',
    from: '        socket.write(b().c().end())\n        final = callback',
    to: "        if (!socket) return callback(new Error('connection lost'))\n        socket.write(b().c().end())\n        final = callback",
  },
  {
    defect:
      'a COPY to the client that ends while its reader is behind leaves the socket paused: no answer comes any more',
    from: '    stream && stream.push(null)\n    stream = null\n',
    to: '    stream && stream.push(null)\n    stream = null\n    socket && socket.resume()\n',
  },
  {
    defect: 'loads all of perf_hooks at every start for the time between two attempts to connect',
    from: "import { performance } from 'perf_hooks'\n",
    to: 'const performance = { now: () => process.uptime() * 1000 }\n',
  },
  {
    defect: 'loads the TLS of Node at every start; it is handed sockets that are encrypted already',
    from: "import tls from 'tls'\n",
    to: '',
  },
];

/** @param {string} source text of src/connection.js of the driver */
export function mendConnection(source) {
  return mends.reduce((text, { defect, from, to }) => {
    if (!text.includes(from)) throw new Error(`postgres.js changed, this mend no longer fits: ${defect}`);
    return text.replaceAll(from, () => to);
  }, source);
}

/** The file the mends belong to. */
export const connectionFile = /[\\/]postgres[\\/]src[\\/]connection\.js$/;

/** The same for vite, so that the tests run the driver that users get. */
export const mendedDriver = {
  name: 'mended-driver',
  enforce: 'pre',
  transform: (code, id) => (connectionFile.test(id.split('?')[0]) ? mendConnection(code) : null),
};
