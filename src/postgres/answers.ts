/** An answer whose failure need not be waited for: what was sent before it fails first, and is told. */
export function heard<Result>(answer: Promise<Result>): Promise<Result> {
  answer.catch(() => {});
  return answer;
}

/** All the answers to what was sent without waiting in between, or the first failure in the order of sending. */
export async function allAnswers<Answers extends readonly Promise<unknown>[]>(
  answers: readonly [...Answers],
): Promise<{ -readonly [Index in keyof Answers]: Awaited<Answers[Index]> }> {
  for (const answer of answers) void heard(answer);
  const results: unknown[] = [];
  for (const answer of answers) results.push(await answer);
  return results as { -readonly [Index in keyof Answers]: Awaited<Answers[Index]> };
}
