/**
 * What has to be reached and what is aimed at, as issue 4 has them. A figure is as good as it is small. `unit` x is a
 * ratio, s wall time, MiB memory or disk, +MiB memory above that of `node -e 0`, turns are waits for the server.
 */
export const targets = {
  startWall: { must: 1.25, aim: 1.1, unit: 'x' },
  startMemory: { must: 6, aim: 3, unit: '+MiB' },
  noOpCpu: { must: 2.0, aim: 1.5, unit: 'x' },
  noOpGrowth: { must: 1.5, aim: 1.25, unit: 'x' },
  noOpTurns: { must: 4, aim: 3, unit: 'turns' },
  // Without peers in the run, what the fastest of them (dbmate) took when it was measured first.
  small: { must: 1.0, aim: 0.62, unit: 'x' },
  delayedWall: { must: 0.12, aim: 0.08, unit: 'x' },
  delayedTurns: { must: 22, aim: 8, unit: 'turns' },
  firstSchema: { must: 1.25, aim: 1.1, unit: 'x' },
  insertsWall: { must: 1.15, aim: 1.0, unit: 'x' },
  insertsClient: { must: 150, aim: 90, unit: 'MiB' },
  insertsBackend: { must: 40, aim: 10, unit: 'MiB' },
  copyWall: { must: 1.3, aim: 1.1, unit: 'x' },
  copyClient: { must: 150, aim: 90, unit: 'MiB' },
  runnersWall: { must: 6, aim: 4, unit: 'x' },
  runnersFailed: { must: 0, aim: 0, unit: 'failed' },
  // Issue 6: sizes of 10,000 tables in two seconds.
  sizesWall: { must: 2, aim: 1, unit: 's' },
  installed: { must: 6, aim: 1, unit: 'MiB' },
};

const decimals = { x: 2, s: 2, MiB: 1, '+MiB': 1, turns: 0, failed: 0 };

/** A figure in its unit, as it is shown and judged. */
export function inUnit(figure, unit) {
  const text = figure.toFixed(decimals[unit]);
  if (unit === '+MiB') return `${figure < 0 ? '' : '+'}${text} MiB`;
  return `${text} ${unit}`;
}

/** What became of a target: judged as it is shown, so that the table never contradicts itself. */
export function verdictOf(figure, { must, aim, unit }) {
  const shown = Number(figure.toFixed(decimals[unit]));
  if (shown > must) return 'MISSED';
  return shown > aim ? 'must' : 'aim';
}
