/** Latency and rate of a link as a ping-pong finds them: what the model of the all-reduce is given. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { LockstepError } from '../errors.js';
import { fitLink, type LinkModel } from '../plan/link-model.js';
import { medianOf } from '../statistics/estimate.js';
import type { Link } from './link.js';
import { openLinks } from './links-thread.js';

/** Of what the link carries in 100 ms. */
const shares = [1e-4, 0.01, 0.1, 0.4, 1] as const;
const repeats = 9;

/**
 * Messages of several sizes go there and back over a TCP connection that the link shapes; the model is that of half of the
 * time there and back.
 * @throws LockstepError TRANSPORT when the times fit no link
 */
export async function pingPong(link: Link): Promise<LinkModel> {
  const links = openLinks(link);
  let expected = 0;
  const server = createServer((socket) => {
    let came = 0;
    socket.on('data', (data) => {
      came += data.length;
      if (came < expected) return;
      came = 0;
      socket.write(Buffer.alloc(expected));
    });
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const endpoint = await links.open(0, { rank: 1, endpoint: `tcp://127.0.0.1:${port}` });
  const socket = connect(Number(/\d+$/.exec(endpoint)![0]), '127.0.0.1');
  try {
    await once(socket, 'connect');
    socket.setNoDelay(true);
    const points: { readonly bytes: number; readonly ms: number }[] = [];
    for (const share of shares) {
      const bytes = Math.max(100, Math.round(share * 0.1 * link.bytesPerSecond));
      expected = bytes;
      // The first one opens what is to be open.
      await halfRoundTrip(socket, bytes);
      const times: number[] = [];
      for (let i = 0; i < repeats; i += 1) times.push(await halfRoundTrip(socket, bytes));
      points.push({ bytes, ms: medianOf(times) });
    }
    const model = fitLink(points);
    if (model === undefined) {
      throw new LockstepError(
        'TRANSPORT',
        'The simulated link could not be measured: times do not grow with size.',
        {
          hint: 'Others may be using the machine: try again, or a slower link.',
        },
      );
    }
    return model;
  } finally {
    socket.destroy();
    server.close();
    await links.close();
  }
}

async function halfRoundTrip(socket: Socket, bytes: number): Promise<number> {
  const began = performance.now();
  socket.write(Buffer.alloc(bytes));
  for (let came = 0; came < bytes; ) {
    const [data] = (await once(socket, 'data')) as [Buffer];
    came += data.length;
  }
  return (performance.now() - began) / 2;
}
