import { expect, it } from 'vitest';
import { table } from './table.js';

it('aligns columns under their titles, and leaves no trailing space', () => {
  const columns = [{ title: 'run' }, { title: 'accuracy', align: 'right' }, { title: 'folder' }] as const;
  const rows = [
    ['traditional', '81.25 %', 'runs/a'],
    ['', '–'],
  ];
  expect(table(columns, rows).split('\n')).toEqual([
    'run          accuracy  folder',
    '───────────  ────────  ──────',
    'traditional   81.25 %  runs/a',
    '                    –',
  ]);
  expect(table([{ title: 'nothing' }], [])).toBe('nothing\n───────');
});
