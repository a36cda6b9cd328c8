/** What comes to a run's sockets from elsewhere: port scanners, other protocols, other runs' workers, and bad ones of its own. */
import { connect } from 'node:net';
import { Dealer, Push } from 'zeromq';
import { protocolVersion } from '../src/shared/protocol/messages.js';
import type { Join } from '../src/shared/security/join.js';
import { clientOptions, type Protection } from '../src/shared/security/socket-options.js';
import { encode } from '../src/shared/transport/wire.js';
import { version } from '../src/shared/version.js';

/** Draws numbers from a seed: [0, upTo). */
export type Draw = (upTo: number) => number;

/** Bytes for a TCP port, as no ZeroMQ peer sends them; the connection is then closed. */
export async function knock(endpoint: string, bytes: Uint8Array | string): Promise<void> {
  const { hostname, port } = new URL(endpoint.replace('tcp:', 'http:'));
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
  });
  socket.end(bytes);
  // The other end may wait for the rest of a greeting.
  const patience = setTimeout(() => socket.destroy(), 100);
  await closed;
  clearTimeout(patience);
}

export const httpRequest = 'GET /status HTTP/1.1\r\nHost: node1\r\nAccept: */*\r\n\r\n';

/** A control socket of somebody who has, or claims to have, the run's token. */
export function dealerTo(join: Join, token = join.token): Dealer {
  const socket = new Dealer({
    ...clientOptions({ ...join, token }, join.coordinatorKey),
    linger: 0,
    sendHighWaterMark: 0,
  });
  socket.connect(join.endpoint);
  return socket;
}

/** What a worker sends first, with a bulk socket that nobody reaches. */
export const registration = {
  type: 'register',
  protocol: protocolVersion,
  version,
  engine: '',
  host: 'elsewhere',
  pid: 1,
  gpu: null,
  slot: null,
  peer: { host: 'elsewhere', endpoint: 'tcp://127.0.0.1:1', machine: '' },
} as const;

/** A bulk socket to a worker, of somebody who has the token. */
export function pushTo(endpoint: string, protection: Protection): Push {
  const socket = new Push({
    ...clientOptions(protection, protection.token.publicKey),
    linger: 0,
    sendHighWaterMark: 0,
  });
  socket.connect(endpoint);
  return socket;
}

export function randomBytes(draw: Draw, length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, () => draw(256)));
}

/** A message as it is, or with bits flipped, bytes cut off or put in. */
export function mutated(message: unknown, draw: Draw): Buffer {
  const bytes = Buffer.from(encode(message));
  switch (draw(4)) {
    case 0:
      return bytes;
    case 1:
      for (let i = 0; i <= draw(4); i += 1) bytes[draw(bytes.length)]! ^= 1 << draw(8);
      return bytes;
    case 2:
      return bytes.subarray(0, draw(bytes.length));
    default: {
      const at = draw(bytes.length);
      return Buffer.concat([bytes.subarray(0, at), randomBytes(draw, 1 + draw(20)), bytes.subarray(at)]);
    }
  }
}

/** Messages that a worker sends, well-formed, with values that may fit or not. */
export function controlMessage(draw: Draw): Record<string, unknown> {
  const step = draw(300);
  const generation = draw(4);
  const ms = { input: draw(10), compute: draw(10), exposedComm: draw(10) };
  const fingerprint = draw(2 ** 31)
    .toString(16)
    .padStart(16, '0');
  const messages = [
    { type: 'beat', phase: 'reduce', step },
    { type: 'joined', generation },
    { type: 'broken', generation, message: 'nothing' },
    { type: 'prepared', stage: draw(3), fingerprint, rounds: draw(3) },
    { type: 'encoded', round: draw(3) },
    {
      type: 'reduced',
      generation,
      step,
      fingerprint,
      ms,
      result: { loss: draw(9), accuracy: null, excess: 1 },
    },
    { type: 'applied', generation, step, gradNorm: draw(10), lossScale: draw(10), commitMs: draw(10) },
    { type: 'outputs', batch: draw(50) },
    { type: 'evaluated', fingerprint },
    {
      type: 'snapshot',
      tensors: [{ name: 'x', shape: [draw(1000), 9], file: 'weights' }],
      fingerprint,
      state: '',
    },
    { type: 'tensor', name: 'stem.conv.kernel' },
    { type: 'loaded', fingerprint, state: '' },
    { type: 'samples', split: 'train', ids: Array.from({ length: draw(2000) }, () => draw(5000) - 100) },
    { type: 'failed', code: 'ENGINE', message: 'it burns', phase: 'apply' },
    { type: 'bye' },
  ];
  return messages[draw(messages.length)]!;
}

/** Messages that a peer sends, well-formed but for the generation's secret, which only members know. */
export function bulkMessage(draw: Draw): Record<string, unknown> {
  const common = { generation: draw(5), ticket: 'guessed', from: draw(3) };
  const messages = [
    {
      ...common,
      kind: 'hello',
      region: draw(2) === 0 ? null : { path: '/dev/shm/lockstep-1-0', bytes: 2 ** 30 },
      sums: draw(2) === 0 ? null : { path: '/dev/shm/lockstep-1-1', bytes: 2 ** 30 },
    },
    { ...common, kind: 'welcome', mapped: draw(2) === 0 },
    { ...common, kind: 'bulk', parts: Array.from({ length: 1 + draw(3) }, () => bulkPart(draw)) },
  ];
  return messages[draw(messages.length)]!;
}

function bulkPart(draw: Draw): Record<string, unknown> {
  return {
    kind: ['contribution', 'result', 'embedding'][draw(3)],
    step: draw(300),
    bucket: draw(4),
    node: [draw(6), draw(7)],
    start: draw(100),
    length: draw(1000),
    type: ['float32', 'bfloat16'][draw(2)],
    ...(draw(2) === 0 ? { at: { memory: ['sender', 'sums'][draw(2)], offset: draw(2 ** 30) } } : {}),
  };
}
