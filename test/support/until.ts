import { setTimeout as sleep } from 'node:timers/promises';

/** Looks again and again until there is an answer: the state decides, never how long it took. Throws after 20 seconds. */
export async function until<Answer>(
  what: string,
  look: () => Promise<Answer | null | undefined | false>,
): Promise<Answer> {
  for (let attempt = 0; attempt < 400; attempt += 1) {
    const answer = await look();
    if (answer !== null && answer !== undefined && answer !== false) return answer;
    await sleep(50);
  }
  throw new Error(`waited in vain: ${what}`);
}
