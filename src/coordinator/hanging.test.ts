import { expect, it } from 'vitest';
import { LockstepError } from '../shared/errors.js';
import type { Phase } from '../shared/protocol/messages.js';
import { hangingMember } from './hanging.js';

const at = (phase: Phase, loss?: LockstepError) => ({ phase, loss });

it('is the one that still computes, not the one that waits for it', () => {
  const members = [at('reduce'), at('commit'), at('input'), at('gather')];
  expect(hangingMember(members, members[0]!)).toBe(members[2]);
});

it('is whoever is late if it computes, or if all wait', () => {
  const computing = [at('forward and backward'), at('forward and backward')];
  expect(hangingMember(computing, computing[1]!)).toBe(computing[1]);
  const waiting = [at('reduce'), at('reduce')];
  expect(hangingMember(waiting, waiting[1]!)).toBe(waiting[1]);
});

it('is nobody who is lost', () => {
  const members = [at('reduce'), at('input', new LockstepError('WORKER_LOST', 'Lost.')), at('input')];
  expect(hangingMember(members, members[0]!)).toBe(members[2]);
});
