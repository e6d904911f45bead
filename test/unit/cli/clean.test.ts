import { expect, test } from 'vitest';
import { cleanTexts } from '../../../src/cli/clean.ts';

const clean = (text: string) => text.replaceAll('applied', '[secret]');

test('texts at any depth are cleaned, keys and what is no text stay as they are', () => {
  const moment = new Date(0);
  const document = {
    applied: [{ name: 'applied_x', blockers: ['a', ['applied']], n: 12n, ok: true, moment, no: null }],
  };

  expect(cleanTexts(document, clean)).toEqual({
    applied: [{ name: '[secret]_x', blockers: ['a', ['[secret]']], n: 12n, ok: true, moment, no: null }],
  });
});

test('a word of a closed set is left alone although it is the password', () => {
  const document = { code: 'applied', rows: [{ state: 'applied', message: 'applied' }] };

  expect(cleanTexts(document, clean)).toEqual({ code: 'applied', rows: [{ state: 'applied', message: '[secret]' }] });
});
