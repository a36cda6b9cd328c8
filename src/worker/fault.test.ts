import { describe, expect, it } from 'vitest';
import { plannedFault } from './fault.js';

describe('a planned fault', () => {
  it('happens once, in its phase, from its step on', () => {
    const fault = plannedFault('throw@forward and backward@7');
    fault('forward and backward', 6);
    fault('reduce', 7);
    expect(() => fault('forward and backward', 8)).toThrow(RangeError);
    fault('forward and backward', 8);
  });

  it('is nothing where none is planned', () => plannedFault(undefined)('reduce', 1));

  it.each(['kill', 'kill@reduce', 'burn@reduce@7', 'kill@lunch@7', 'kill@reduce@soon'])(
    'refuses %s',
    (text) => {
      expect(() => plannedFault(text)).toThrow(/should be KIND@PHASE@STEP/);
    },
  );
});
