const columns = ['what', 'contestant', 'value', 'ratio', 'must', 'aim', 'verdict'];

/** The rows as a Markdown table whose columns are aligned in the source too. */
export function tableOf(rows) {
  let last = '';
  const cells = rows.map((row) => {
    const what = row.what === last ? '' : row.what;
    last = row.what;
    return [what, row.contestant, row.value, row.ratioText, row.must, row.aim, row.verdict];
  });
  const widths = columns.map((column, index) => Math.max(column.length, ...cells.map((line) => line[index].length)));
  const line = (texts) => `| ${texts.map((text, index) => text.padEnd(widths[index])).join(' | ')} |`;
  return [line(columns), line(widths.map((width) => '-'.repeat(width))), ...cells.map(line)].join('\n');
}

/** Where, when and with what the figures were taken. */
export function circumstancesOf({ date, machine, load, versions, server, rounds, startRounds, notes }) {
  return [
    `- ${date}; ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.kernel}`,
    `- load average before ${load.before.join(' ')}, after ${load.after.join(' ')}`,
    `- PostgreSQL ${versions.postgres} (${server}), ${versions.contestants.join(', ')}`,
    `- ${rounds} rounds, ${startRounds} of starts, no-ops and the first schema`,
    ...notes.map((note) => `- ${note.replaceAll(/\s*\n\s*/g, ' ')}`),
  ].join('\n');
}

/** The page docs/benchmark.md. */
export function pageOf(report, rows) {
  return `# Benchmark

Written by \`npm run bench -- --write${report.peers ? ' --peers' : ''}\`; do not edit.

![main ratios](benchmark.svg)

${circumstancesOf(report)}

${tableOf(rows)}

## How it is measured

- The program is the packed package, installed in a folder of its own. Every program runs with an environment of PATH, HOME and its connection.
- The server's data lies in memory where the system has a file system for that, with fsync on; authentication is trust, over TCP on 127.0.0.1 without TLS.
- Each contestant runs once without being counted. In every round all contestants then run in random order, each on an empty database. A ratio is the median of the ratios within the rounds, a value the median of the values.
- \`psql -f\` is one psql that runs all files from one script, each as BEGIN; file; INSERT into a ledger; COMMIT.
- CPU is user and system time of the client. Memory of a client is its peak resident memory; memory of a backend is the largest sum of what it holds for itself alone, looked at every 50 ms.
- The server "20 ms away" is behind a proxy that holds everything back for 10 ms each way. A turn is counted there whenever the client speaks after the server has spoken; the closing message, for which nobody waits, stands for the opening of the TCP connection.
- node-pg-migrate runs with \`--no-single-transaction\`, so that each migration has its own as with the others; postgrator uses none.
- "must" and "aim" are what the project demands of itself; a missed "must" fails the run.
`;
}
