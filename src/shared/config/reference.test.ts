import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { configFields } from './fields.js';
import { configReference } from './reference.js';

const path = new URL('../../../docs/config.md', import.meta.url).pathname;
const begin =
  '<!-- reference: written from src/shared/config/schema.ts by `npx vitest run src/shared/config --update` -->';
const end = '<!-- end of reference -->';

test('docs/config.md holds every key of the schema with its type, default, unit and meaning', async () => {
  const text = readFileSync(path, 'utf8');
  const [before, rest] = text.split(begin);
  const after = rest?.split(end)[1];
  if (before === undefined || after === undefined) throw new Error(`${path} has lost its markers`);
  const expected = `${before}${begin}\n\n${configReference()}\n\n${end}${after}`;
  await expect(expected).toMatchFileSnapshot(path);
});

test('every field says what it means', () => {
  for (const field of configFields())
    expect(field, field.path).toMatchObject({ meaning: expect.stringMatching(/\.$/) });
});
