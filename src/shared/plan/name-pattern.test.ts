import { describe, expect, it, test } from 'vitest';
import { matches, nearestPattern } from './name-pattern.js';

const names = [
  'encoder.bn1.beta',
  'encoder.bn1.gamma',
  'encoder.layer1.0.conv1.kernel',
  'classifier.0.kernel',
];
const matched = (pattern: string) => names.filter((name) => matches(pattern, name));

describe('a pattern', () => {
  it('without a star is a name, or the beginning of one up to a dot', () => {
    expect(matched('encoder')).toEqual(names.slice(0, 3));
    expect(matched('encoder.bn1.beta')).toEqual([names[0]]);
    expect(matched('encoder.bn')).toEqual([]);
    expect(matched('encoder.layer1')).toEqual([names[2]]);
  });

  it('with stars must match the whole name', () => {
    expect(matched('*.beta')).toEqual([names[0]]);
    expect(matched('*bn*.beta')).toEqual([names[0]]);
    expect(matched('*.0.*kernel')).toEqual([names[2], names[3]]);
    expect(matched('*')).toEqual(names);
    expect(matched('*.bet')).toEqual([]);
    expect(matched('ncoder.*')).toEqual([]);
  });

  it('takes dots and other signs as they are', () => {
    expect(matches('encoder.bn1?beta*', 'encoder.bn1.beta')).toBe(false);
    expect(matches('encoder+bn1*', 'encoder.bn1.beta')).toBe(false);
  });
});

test.each([
  ['*.betta', '*.beta'],
  ['encoder.layer9', 'encoder.layer1'],
  ['clasifier', 'classifier'],
  ['encodr.*', 'encoder.*'],
  ['something else entirely', undefined],
])('the one nearest to %s is %s', (pattern, expected) => {
  expect(nearestPattern(pattern, names)).toBe(expected);
});
