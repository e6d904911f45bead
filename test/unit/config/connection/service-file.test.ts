import { expect, test } from 'vitest';
import { readService } from '../../../../src/config/connection/service-file.ts';

test('the first group of the name counts, with the first of two equal keys', () => {
  const text = '# comment\n[other]\nhost=no\n[main]\n host=h1\nhost=h2\n\noptions=-c a=b\n[main]\nport=1\n';
  const { values, problems } = readService(text, 'main', 'pg_service.conf');
  expect(problems).toEqual([]);
  expect(Object.fromEntries(values ?? [])).toEqual({ host: 'h1', options: '-c a=b' });
});

test('a service that is not there is not an empty one', () => {
  expect(readService('[other]\nhost=h\n', 'main', 'f').values).toBeNull();
  expect(readService('[main]\n', 'main', 'f').values?.size).toBe(0);
});

test('every bad line of the service is named, and lines of other services are not judged', () => {
  const { problems } = readService('[other]\nnonsense\n[main]\nnonsense\nservice=x\nldap://h/x\n=v\n', 'main', 'f');
  expect(problems.map(({ location }) => location?.line)).toEqual([4, 5, 6, 7]);
});
