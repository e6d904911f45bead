/** Characters. */
const chunk = 65_536;

/** Pieces put together into a few long ones, since each that is written is a call of the system. */
export function* inChunks(pieces: Iterable<string>): Generator<string, void> {
  let whole = '';
  for (const piece of pieces) {
    whole += piece;
    if (whole.length < chunk) continue;
    yield whole;
    whole = '';
  }
  if (whole !== '') yield whole;
}
