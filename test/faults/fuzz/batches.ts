import fc from 'fast-check';
import { chanceAt, fuzzPath, isAsked } from '../support/settings.ts';
import type { Fault, Tally } from '../support/tally.ts';

/** Thrown by a property: which fault an input brought to light. */
export class FuzzFault extends Error {
  readonly fault: Fault;

  constructor(fault: Fault, detail: string) {
    super(detail);
    this.name = 'FuzzFault';
    this.fault = fault;
  }
}

interface Batch<Input> {
  /** Names it within its part, and decides what it draws. */
  readonly place: string;
  readonly inputs: fc.Arbitrary<Input>;
  readonly runs: number;
  /** How an input that failed is told. */
  readonly show: (input: Input) => string;
  readonly check: (input: Input) => void | Promise<void>;
  /** What was counted so far, read when the batch is done. */
  readonly figures: () => Readonly<Record<string, number>>;
}

/** Draws inputs, checks each and counts them as one trial; a failing input is shrunk and told with all that repeats it. */
export async function fuzzBatch<Input>(tally: Tally, batch: Batch<Input>): Promise<void> {
  const { place, inputs, runs, check, show } = batch;
  if (!isAsked(tally.part, place)) return;
  const seed = Math.floor(chanceAt(`${tally.part}:${place}`)() * 0x7fff_ffff);
  const property = fc.asyncProperty(inputs, async (input) => check(input));
  const run = await fc.check(property, { seed, numRuns: runs, ...(fuzzPath !== null && { path: fuzzPath }) });
  const figures = batch.figures();
  if (!run.failed) return tally.record(place, { fault: null, figures });
  const error = run.errorInstance;
  await tally.record(place, {
    fault: error instanceof FuzzFault ? error.fault : 'uncaught',
    detail: [
      error instanceof FuzzFault ? error.message : String(error),
      `  input, shrunk ${run.numShrinks} times: ${run.counterexample === null ? 'none' : show(run.counterexample[0])}`,
      `  this input alone: PULSE_FAULTS_FUZZ_PATH='${run.counterexamplePath ?? ''}' before the line below`,
    ].join('\n'),
    figures,
  });
}

/** Places of the batches of a part, the kinds in turn: `realistic:0`, `generated:1`, … */
export function batchPlaces<Kind extends string>(
  kinds: readonly Kind[],
  count: number,
): readonly { readonly kind: Kind; readonly place: string }[] {
  return Array.from({ length: count }, (_none, index) => kinds[index % kinds.length]).flatMap((kind, index) =>
    kind === undefined ? [] : [{ kind, place: `${kind}:${index}` }],
  );
}
