import type { TestDatabase } from '../../support/database.ts';
import { openProject } from '../../support/project.ts';
import type { Scene } from './aftermath.ts';
import { empty, learnStates, mixed, openLook } from './workload.ts';

/** Databases with the mixed migrations beside them, each for one trial at a time; what they should hold is learned once. */
export async function openScenes(open: () => Promise<TestDatabase>, count: number): Promise<readonly Scene[]> {
  const scenes: Scene[] = [];
  for (let index = 0; index < count; index += 1) {
    const database = await open();
    const project = await openProject(mixed, database);
    const look = await openLook(database);
    const states = scenes[0]?.states ?? (await learnStates(database, project, look));
    scenes.push({ database, project, look, states });
  }
  return scenes;
}

/** The commands that meet a fault: where each ends, and its command line. */
export const commands = {
  up: { goal: 7, argv: ['up', '--json', '--yes'] },
  down: { goal: 0, argv: ['down', '--to', '0', '--i-know', '--json', '--yes'] },
} as const;

export type Command = keyof typeof commands;

/** Brings the database to where a command begins. */
export async function prepare(scene: Scene, command: Command): Promise<void> {
  await empty(scene.database);
  if (command === 'down') await scene.project.done(['up', '--yes']);
}
