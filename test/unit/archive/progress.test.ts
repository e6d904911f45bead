import { expect, test } from 'vitest';
import { RowCounter } from '../../../src/archive/progress.ts';

const csv = 'id,note\n1,"two\nlines, and a ""quote"""\n2,\n3,"\n"\n';

test.for([1, 2, 7, 1000])('rows of CSV are counted in parts of %i bytes, whatever their values hold', (size) => {
  const counter = new RowCounter('csv');
  for (let at = 0; at < csv.length; at += size) counter.count(Buffer.from(csv.slice(at, at + size)));

  expect(counter.rows).toBe(3);
});

test('lines of JSON are counted without a header, and a quote says nothing there', () => {
  const counter = new RowCounter('jsonl');
  counter.count(Buffer.from('{"note":"a \\" b"}\n{"note":null}\n'));

  expect(counter.rows).toBe(2);
});

test('nothing at all is no row', () => {
  expect(new RowCounter('csv').rows).toBe(0);
});
