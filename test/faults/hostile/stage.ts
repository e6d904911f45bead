import { randomBytes } from 'node:crypto';
import { inject, onTestFinished } from 'vitest';
import { connect } from '../../../src/postgres/connect.ts';
import type { Session } from '../../../src/postgres/session.ts';
import { ident, raw, sql } from '../../../src/postgres/sql.ts';
import { parametersOf, urlAs } from '../../support/open-session.ts';
import { pgbouncerIsHere, startPgbouncer } from '../../support/pgbouncer.ts';
import { openProject, pairs } from '../../support/project.ts';
import { surroundings } from './surroundings.ts';

/** Where hostile files are tried: roles of their own, because a file may change its role. */
export interface Stage {
  /** A database in which the innocent first migration is applied, dropped after `work`. */
  withScene<Result>(as: 'chief' | 'owner', work: (scene: Scene) => Promise<Result>): Promise<Result>;
  /** The same database through PgBouncer, every client of it over one server connection; null where it is not installed. */
  pooled(url: string): string | null;
}

export interface Scene {
  /** Reaches the database as the role that runs the migrations. */
  readonly url: string;
  /** Runs SQL as the superuser of the tests; the rows of the last statement. */
  admin<Row extends object>(text: string): Promise<Row[]>;
}

/** Tells in what surroundings it runs, as a migration before and one behind the hostile one. */
export const first = pairs({
  '0001_before': [
    `CREATE SCHEMA beside;\nCREATE TABLE beside.before_it AS ${surroundings};\n`,
    'DROP SCHEMA beside CASCADE;\n',
  ],
});
export const last = pairs({ '0003_after': [`CREATE TABLE after_it AS ${surroundings};\n`, 'DROP TABLE after_it;\n'] });

export async function openStage(): Promise<Stage> {
  const server = inject('serverUrl');
  const prefix = `${inject('databasePrefix')}_h${randomBytes(3).toString('hex')}`;
  const roles = { chief: `${prefix}_chief`, owner: `${prefix}_owner` };
  const password = randomBytes(12).toString('hex');
  const maintenance = await connect(await parametersOf(server));
  for (const [kind, role] of Object.entries(roles)) {
    const attribute = kind === 'chief' ? 'SUPERUSER' : 'NOSUPERUSER';
    await maintenance.rows(sql`CREATE ROLE ${ident(role)} LOGIN ${raw(attribute)} PASSWORD ${password}`);
  }
  const template = `${prefix}_template`;
  let made = 0;
  onTestFinished(async () => {
    for (const name of [template]) await maintenance.rows(sql`DROP DATABASE IF EXISTS ${ident(name)} WITH (FORCE)`);
    for (const role of Object.values(roles)) await maintenance.rows(sql`DROP ROLE ${ident(role)}`);
    await maintenance.close();
  });

  const urlOf = (name: string, role: string) => {
    const url = new URL(urlAs(server, role, password));
    url.pathname = `/${name}`;
    return url.href;
  };
  const applyFirst = async (url: string) => {
    const project = await openProject(first, { url });
    await project.done(['up', '--yes']);
  };

  await maintenance.rows(sql`CREATE DATABASE ${ident(template)} OWNER ${ident(roles.chief)} TEMPLATE template0`);
  await applyFirst(urlOf(template, roles.chief));
  const bouncer = pgbouncerIsHere
    ? new URL(await startPgbouncer(urlOf('postgres', roles.chief), 'transaction', 1))
    : null;

  return {
    withScene: async (as, work) => {
      made += 1;
      const name = `${prefix}_${made}`;
      const role = roles[as];
      const from = as === 'chief' ? template : 'template0';
      await maintenance.rows(sql`CREATE DATABASE ${ident(name)} OWNER ${ident(role)} TEMPLATE ${ident(from)}`);
      const url = urlOf(name, role);
      const adminUrl = new URL(server);
      adminUrl.pathname = `/${name}`;
      const admin: Session = await connect(await parametersOf(adminUrl.href));
      try {
        if (as === 'owner') await applyFirst(url);
        return await work({ url, admin: (text) => admin.rows(raw(text)) });
      } finally {
        await admin.close();
        await maintenance.rows(sql`DROP DATABASE ${ident(name)} WITH (FORCE)`);
        await maintenance.rows(sql`ALTER ROLE ${ident(role)} RESET ALL`);
      }
    },
    pooled: (url) => {
      if (bouncer === null) return null;
      const through = new URL(url);
      through.host = bouncer.host;
      return through.href;
    },
  };
}
