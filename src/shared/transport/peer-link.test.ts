import { describe, expect, it } from 'vitest';
import { Outbox } from './outbox.js';
import { SharedMemoryLink } from './peer-link.js';
import { type BulkPart, bulkSchema, decode, maxHeaderBytes, mostParts } from './wire.js';

const region = new ArrayBuffer(8 << 20);
const sums = new ArrayBuffer(64);
const part = {
  kind: 'contribution',
  step: 2,
  bucket: 3,
  node: [0, 1],
  start: 0,
  length: 4,
  type: 'float32',
} as const satisfies BulkPart;

function makeLink() {
  const sent: Uint8Array[][] = [];
  const socket = {
    send: async (frames: Uint8Array[]) => {
      sent.push(frames);
    },
    close: () => {},
  };
  const sender = { generation: 1, ticket: 'secret', from: 1 };
  const link = new SharedMemoryLink(new Outbox(socket, 'rank 0'), sender, { region, sums });
  const parts = () => sent.map(([head]) => decode(head!, bulkSchema, maxHeaderBytes).parts);
  return { link, sent, parts };
}

describe('a link through shared memory', () => {
  it('sends one message a turn, which says where the values lie', async () => {
    const { link, parts } = makeLink();
    await Promise.all([
      link.send(part, new Float32Array(region, 16, 4)),
      link.send({ ...part, kind: 'result' }, new Float32Array(sums, 32, 4)),
    ]);
    await link.send({ ...part, step: 3 }, new Float32Array(region, 0, 4));
    expect(parts()).toEqual([
      [
        { ...part, at: { memory: 'sender', offset: 16 } },
        { ...part, kind: 'result', at: { memory: 'sums', offset: 32 } },
      ],
      [{ ...part, step: 3, at: { memory: 'sender', offset: 0 } }],
    ]);
  });

  it('cuts a turn into messages that the schema takes, and that bring no more than is read at once', async () => {
    const { link, parts } = makeLink();
    const small = new Float32Array(region, 0, 4);
    await Promise.all(Array.from({ length: mostParts + 1 }, () => link.send(part, small)));
    expect(parts().map(({ length }) => length)).toEqual([mostParts, 1]);
    const large = new Float32Array(region, 0, (3 << 20) / 4);
    await Promise.all(Array.from({ length: 5 }, () => link.send(part, large)));
    expect(parts().map(({ length }) => length)).toEqual([mostParts, 1, 2, 2, 1]);
  });

  it('rejects every part of a message that can not be sent', async () => {
    const { link } = makeLink();
    const values = new Float32Array(region, 0, 4);
    const sending = Array.from({ length: mostParts + 1 }, () => link.send(part, values));
    await link.outbox.close();
    for (const sent of [...sending.slice(mostParts), link.send(part, values)]) {
      await expect(sent).rejects.toMatchObject({ code: 'TRANSPORT' });
    }
    await Promise.allSettled(sending);
  });

  it('sends values that lie elsewhere as frames, behind what waits', async () => {
    const { link, sent, parts } = makeLink();
    const before = link.send(part, new Float32Array(region, 0, 4));
    const values = Float32Array.of(1, 2, 3, 4);
    await Promise.all([before, link.send({ ...part, bucket: 4 }, values)]);
    expect(parts()).toEqual([[{ ...part, at: { memory: 'sender', offset: 0 } }], [{ ...part, bucket: 4 }]]);
    expect(sent[1]!.slice(1).map((frame) => Buffer.from(frame).equals(Buffer.from(values.buffer)))).toEqual([
      true,
    ]);
  });
});
