/** The middle value; of an even number the mean of the two in the middle. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function shuffled(list) {
  const result = [...list];
  for (let last = result.length - 1; last > 0; last -= 1) {
    const other = Math.floor(Math.random() * (last + 1));
    [result[last], result[other]] = [result[other], result[last]];
  }
  return result;
}

/** Thrown by a contestant that cannot do what is asked; a peer is then left out of the workload. */
export class Unable extends Error {
  constructor(message, output = '') {
    super(message);
    /** The last lines it wrote. */
    this.output = output;
  }
}

/**
 * Lets contestants run against each other: once each without being counted, then in every round all of them, in an
 * order that chance decides. Contestants are `{ key, required, run }`; one that fails and is not required is left out,
 * and `tell` says why. Answers with each key's results, round by round.
 */
export async function runRounds(contestants, rounds, tell) {
  const results = new Map();
  const attempt = async ({ key, required, run }) => {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof Unable)) throw error;
      if (required) throw new Error(`${key} failed: ${error.message}\n${error.output}`);
      tell(`${key} is left out: ${error.message}`);
      results.delete(key);
      return null;
    }
  };
  for (const contestant of contestants) {
    results.set(contestant.key, []);
    await attempt(contestant);
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const contestant of shuffled(contestants.filter(({ key }) => results.has(key)))) {
      const result = await attempt(contestant);
      if (result !== null) results.get(contestant.key).push(result);
    }
  }
  return results;
}

/** The median of one figure of one contestant. */
export function medianOf(results, key, figure) {
  return median(results.get(key).map((result) => result[figure]));
}

/** The median of the ratios within each round; `against` is one contestant or several whose figures are added. */
export function pairedRatio(results, key, against, figure) {
  const others = [against].flat();
  return median(
    results
      .get(key)
      .map(
        (result, round) => result[figure] / others.reduce((sum, other) => sum + results.get(other)[round][figure], 0),
      ),
  );
}
