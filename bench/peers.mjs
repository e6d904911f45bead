import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { dbmate } from './contestants/dbmate.mjs';
import { graphileMigrate } from './contestants/graphile-migrate.mjs';
import { nodePgMigrate } from './contestants/node-pg-migrate.mjs';
import { postgrator } from './contestants/postgrator.mjs';
import { findSqitch } from './contestants/sqitch.mjs';
import { npmEnvironment } from './npm.mjs';

async function versionIn(directory, name) {
  const text = await readFile(join(directory, 'node_modules', name, 'package.json'), 'utf8').catch(() => '{}');
  return JSON.parse(text).version;
}

/** Installs one peer, unless it is there in the pinned versions. */
async function install(directory, pins) {
  const names = Object.keys(pins);
  const present = await Promise.all(names.map((name) => versionIn(directory, name)));
  if (names.every((name, index) => present[index] === pins[name])) return;
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, 'package.json'), JSON.stringify({ private: true, dependencies: pins }, null, 2));
  const flags = ['--ignore-scripts', '--no-package-lock', '--no-audit', '--no-fund'];
  await promisify(execFile)('npm', ['install', ...flags], { cwd: directory, env: npmEnvironment() });
}

/** The peers that are to be had on this machine; `tell` names the others. */
export async function openPeers(directory, tell) {
  const peers = [];
  for (const peer of [dbmate, nodePgMigrate, graphileMigrate, postgrator]) {
    const installed = join(directory, peer.name);
    try {
      await install(installed, peer.pins);
    } catch (error) {
      tell(`${peer.name} could not be installed and is left out: ${String(error.message).split('\n')[0]}`);
      continue;
    }
    const { [peer.name]: own, ...others } = peer.pins;
    const beside = Object.entries(others).map(([name, pin]) => `${name} ${pin}`);
    const version = beside.length === 0 ? own : `${own} (${beside.join(', ')})`;
    const command = (verb, place = {}) => peer.command(verb, { ...place, installed });
    peers.push({ ...peer, installed, version, command });
  }
  const sqitch = await findSqitch();
  if (sqitch === null) tell('sqitch is not in PATH and is left out');
  return sqitch === null ? peers : [...peers, sqitch];
}
