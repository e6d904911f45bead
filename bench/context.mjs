import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { smallSet } from './migration-sets.mjs';
import { Unable } from './rounds.mjs';
import { environmentIn, runWell } from './run-program.mjs';

/**
 * What every workload works with: contestants, sizes, and a place for files and databases. `contestants` is
 * `{ node, pulse, psql, peers }`, where `psql` may be null.
 */
export function openContext({ root, workDirectory, databases, contestants, sizes, options, tell }) {
  const folders = new Map();
  const applied = new Map();
  const tools = [contestants.pulse, ...contestants.peers];

  /** A contestant's command, ready to run; null when it has no such verb. */
  const command = (contestant, verb, place = {}) => {
    const found = contestant.command(verb, place);
    if (found === null) return null;
    const env = { ...environmentIn(workDirectory), ...found.env };
    return { ...found, cwd: place.directory ?? workDirectory, env, workDirectory };
  };

  /** A set of migrations as the contestant wants it on the disk, written once. */
  const folder = async (contestant, name, set) => {
    const directory = join(workDirectory, 'sets', name, contestant.name);
    if (!folders.has(directory)) {
      await mkdir(directory, { recursive: true });
      await contestant.write(directory, set.list);
      folders.set(directory, name);
    }
    return directory;
  };

  /** @throws {Unable} When a set is not in the database as it should be: whatever the contestant says, it has failed. */
  const check = async (database, set) => {
    const found = await databases.value(database, set.check);
    if (found !== set.expected) throw new Unable(`${found} of ${set.expected} are in the database`);
  };

  return {
    root,
    workDirectory,
    databases,
    ...contestants,
    tools,
    floorAndTools: [contestants.psql, ...tools].filter((one) => one !== null),
    sizes,
    options,
    tell,
    command,
    check,

    /** The tools that have a verb; some have no command that only tells the state. */
    toolsWith: (verb) => tools.filter((tool) => tool.command(verb, { url: databases.url }) !== null),

    /** Work with an empty database, dropped afterwards. */
    async withDatabase(work) {
      const database = await databases.create();
      try {
        return await work(database);
      } finally {
        await databases.drop(database);
      }
    },

    folder,

    /** Removes a set from the disk, which for large ones is memory. */
    async forget(name) {
      for (const [directory, of] of folders) if (of === name) folders.delete(directory);
      await rm(join(workDirectory, 'sets', name), { recursive: true, force: true });
    },

    /** Where a contestant has applied so many small migrations: `{ directory, url }`; made once and kept. */
    async applied(contestant, count) {
      const key = `${contestant.name} ${count}`;
      if (!applied.has(key)) {
        const set = smallSet(count);
        const directory = await folder(contestant, `small-${count}`, set);
        const database = await databases.create();
        await runWell(command(contestant, 'up', { directory, url: database.url }));
        await check(database, set);
        applied.set(key, { directory, url: database.url });
      }
      return applied.get(key);
    },
  };
}
