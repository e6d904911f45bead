import { expect, test } from 'vitest';
import { readFileName } from '../../../src/migrations/file-name.ts';

test.each([
  ['0001_initial_schema.up.sql', '0001', 'initial_schema', 'up'],
  ['1_a.down.sql', '1', 'a', 'down'],
  ['20260101120000_Add-Users.v2.up.sql', '20260101120000', 'Add-Users.v2', 'up'],
  ['12345678901234567890_x.up.sql', '12345678901234567890', 'x', 'up'],
  ['7_x.up.sql.down.sql', '7', 'x.up.sql', 'down'],
])('%s is a migration', (fileName, version, name, direction) => {
  expect(readFileName(fileName)).toEqual({ kind: 'migration', version, name, direction });
});

test.each([
  ['0001_x_up.sql', 'rename it to 0001_x.up.sql'],
  ['0001_x-down.sql', 'rename it to 0001_x.down.sql'],
  ['0001_x.UP.SQL', 'rename it to 0001_x.up.sql'],
  ['0001_x.up.SQL', 'rename it to 0001_x.up.sql'],
  ['0001-x.up.sql', 'rename it to 0001_x.up.sql'],
  ['0001.up.sql', 'rename it to 0001_NAME.up.sql'],
  ['0001_.down.sql', 'rename it to 0001_NAME.down.sql'],
  ['0001_x.sql', 'rename it to 0001_x.up.sql and write 0001_x.down.sql'],
  ['V1__x.sql', 'rename it to 1_x.up.sql and write the .down.sql'],
  ['V1.2__x.sql', 'rename it to VERSION_x.up.sql and write the .down.sql'],
  ['R__views.sql', 'put what it does into a migration, or move the file out of the folder'],
  ['1a_x.up.sql', 'rename it to VERSION_NAME.up.sql or VERSION_NAME.down.sql'],
  ['init.up.sql', 'rename it to VERSION_NAME.up.sql or VERSION_NAME.down.sql, VERSION being a number'],
  ['123456789012345678901_x.up.sql', 'rename it with a shorter number'],
])('%s is a near miss, refused with what to call it', (fileName, hint) => {
  expect(readFileName(fileName)).toEqual({ kind: 'problem', message: expect.any(String), hint });
});

test.each(['schema.sql', 'clean_up.sql', 'seed.SQL', '._0001_x.up.sql', '.#0001_x.up.sql'])(
  '%s is an SQL file of another kind',
  (fileName) => {
    expect(readFileName(fileName)).toEqual({ kind: 'other-sql' });
  },
);

test.each(['README.md', '0001_x.up.sql.bak', '0001_x.up.sql~', '.gitkeep', 'sql'])('%s is not ours', (fileName) => {
  expect(readFileName(fileName)).toEqual({ kind: 'not-sql' });
});
