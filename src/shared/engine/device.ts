/** What TensorFlow computes on in this process. */
import process from 'node:process';
import { LockstepError } from '../errors.js';
import { c, checked } from './c-api.js';
import { type Installation, readInstallation } from './installation.js';

export type Device = 'cpu' | 'gpu';

/**
 * Asked of TensorFlow itself: a build for GPUs goes on with the processor, without a word, where it finds none or can't
 * load CUDA's libraries.
 */
export const device: Device = sessionDevices().includes('GPU') ? 'gpu' : 'cpu';

/**
 * That a worker who was given a GPU has it.
 * @param visible CUDA_VISIBLE_DEVICES
 * @throws LockstepError ENGINE when the engine is made for GPUs, and finds none where there should be one
 */
export function requireGpu(
  { kind }: Pick<Installation, 'kind'> = readInstallation(),
  visible = process.env.CUDA_VISIBLE_DEVICES,
  found: Device = device,
): void {
  const given = (visible ?? '').split(',')[0]!.trim();
  if (kind === 'cpu' || found === 'gpu' || given === '' || given === '-1') return;
  throw new LockstepError('ENGINE', `TensorFlow finds no GPU, though CUDA_VISIBLE_DEVICES is ${visible}.`, {
    hint: 'lockstep doctor says why. To train on the processor set CUDA_VISIBLE_DEVICES to nothing.',
  });
}

/** The types of the devices that a session has. */
function sessionDevices(): string[] {
  const graph = c.newGraph();
  const options = c.newSessionOptions();
  try {
    const session = checked((status) => c.newSession(graph, options, status));
    try {
      const list = checked((status) => c.sessionListDevices(session, status));
      const count = c.deviceListCount(list);
      const types = Array.from({ length: count }, (_, i) =>
        checked((status) => c.deviceListType(list, i, status)),
      );
      c.deleteDeviceList(list);
      return types;
    } finally {
      checked((status) => c.deleteSession(session, status));
    }
  } finally {
    c.deleteSessionOptions(options);
    c.deleteGraph(graph);
  }
}
