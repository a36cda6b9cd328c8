/** A safetensors file on the disk: written tensor by tensor as the bytes arrive, read tensor by tensor. */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import { LockstepError } from '../errors.js';
import { isSystemError } from './durable.js';
import {
  byteLength,
  damaged,
  decodeHeader,
  encodeHeader,
  type Header,
  LENGTH_BYTES,
  MAX_HEADER_BYTES,
  type Metadata,
  type PlacedTensor,
  place,
  type TensorSpec,
} from './safetensors.js';

/** What identifies a tensor's content: its spec and the SHA-256 (hex) of its bytes. */
export interface TensorDigest extends TensorSpec {
  readonly sha256: string;
}

/** What `finish` says about a file. */
export interface FileDigest {
  readonly bytes: number;
  /** Of the whole file, hex. */
  readonly sha256: string;
  readonly tensors: readonly TensorDigest[];
}

/**
 * Writes a safetensors file: the header first, made from the specs, then the tensors in the same order.
 * A tensor may come in several pieces. Await each call; the bytes must not change until it resolves.
 */
export class TensorFileWriter {
  private readonly fileHash = createHash('sha256');
  private tensorHash = createHash('sha256');
  private readonly digests: TensorDigest[] = [];
  private position = 0;
  private filled = 0;

  private constructor(
    readonly path: string,
    private readonly handle: FileHandle,
    private readonly tensors: readonly PlacedTensor[],
  ) {}

  /** Creates the file, which must not be there yet, and writes its header. */
  static async create(
    path: string,
    specs: readonly TensorSpec[],
    metadata: Metadata = {},
  ): Promise<TensorFileWriter> {
    const tensors = place(specs);
    const handle = await open(path, 'wx').catch((error: unknown) => {
      throw writeError(path, error);
    });
    const writer = new TensorFileWriter(path, handle, tensors);
    try {
      await writer.write(encodeHeader(tensors, metadata));
    } catch (error) {
      await handle.close();
      throw error;
    }
    writer.skipEmpty();
    return writer;
  }

  /** The tensor whose bytes come next, or undefined when all are there. */
  get next(): TensorSpec | undefined {
    return this.tensors[this.digests.length];
  }

  /** Writes the next bytes (little-endian, row-major) of the tensor whose turn it is. */
  async append(name: string, bytes: Uint8Array): Promise<void> {
    const tensor = this.next;
    if (tensor?.name !== name) {
      const expected = tensor === undefined ? 'no further tensor' : `"${tensor.name}"`;
      throw new LockstepError('CHECKPOINT', `${this.path}: got tensor "${name}", expected ${expected}.`);
    }
    const size = byteLength(tensor);
    if (this.filled + bytes.byteLength > size) {
      throw new LockstepError(
        'CHECKPOINT',
        `${this.path}: tensor "${name}" of shape [${tensor.shape}] has ${size} bytes, got ${this.filled + bytes.byteLength}.`,
      );
    }
    this.filled += bytes.byteLength;
    this.tensorHash.update(bytes);
    if (this.filled === size) this.endTensor(tensor);
    await this.write(bytes);
    this.skipEmpty();
  }

  /** Makes the file durable, closes it and returns its digests. Throws if a tensor is missing. */
  async finish(): Promise<FileDigest> {
    if (this.next !== undefined) {
      throw new LockstepError(
        'CHECKPOINT',
        `${this.path}: tensor "${this.next.name}" never arrived in full.`,
      );
    }
    try {
      await this.handle.sync();
      await this.handle.close();
    } catch (error) {
      throw writeError(this.path, error);
    }
    return { bytes: this.position, sha256: this.fileHash.digest('hex'), tensors: this.digests };
  }

  /** Closes the file as it is. Removing it is the caller's. */
  async abort(): Promise<void> {
    await this.handle.close().catch(() => undefined);
  }

  private endTensor({ name, dtype, shape }: TensorSpec): void {
    this.digests.push({ name, dtype, shape, sha256: this.tensorHash.digest('hex') });
    this.tensorHash = createHash('sha256');
    this.filled = 0;
  }

  /** A tensor without elements has no bytes to wait for. */
  private skipEmpty(): void {
    for (let tensor = this.next; tensor !== undefined && byteLength(tensor) === 0; tensor = this.next) {
      this.endTensor(tensor);
    }
  }

  private async write(bytes: Uint8Array): Promise<void> {
    this.fileHash.update(bytes);
    try {
      for (let done = 0; done < bytes.byteLength; ) {
        const { bytesWritten } = await this.handle.write(bytes, done, bytes.byteLength - done, this.position);
        done += bytesWritten;
        this.position += bytesWritten;
      }
    } catch (error) {
      throw writeError(this.path, error);
    }
  }
}

/** A safetensors file that is open for reading. Its header has been checked; close it after use. */
export class TensorFile {
  private readonly byName: ReadonlyMap<string, PlacedTensor>;

  private constructor(
    readonly path: string,
    private readonly handle: FileHandle,
    private readonly dataStart: number,
    private readonly header: Header,
  ) {
    this.byName = new Map(header.tensors.map((tensor) => [tensor.name, tensor]));
  }

  static async open(path: string): Promise<TensorFile> {
    const handle = await open(path, 'r').catch((cause: unknown) => {
      throw new LockstepError('CHECKPOINT', `${path} can't be opened: ${(cause as Error).message}.`, {
        cause,
      });
    });
    try {
      const { size } = await handle.stat();
      if (size < LENGTH_BYTES) throw damaged(path, size, 'the file ends before the length of its header');
      const length = Number((await readBytes(handle, path, 0, LENGTH_BYTES)).readBigUInt64LE(0));
      if (length > MAX_HEADER_BYTES || LENGTH_BYTES + length > size) {
        throw damaged(path, 0, `a header of ${length} bytes doesn't fit in a file of ${size} bytes`);
      }
      const dataStart = LENGTH_BYTES + length;
      const json = await readBytes(handle, path, LENGTH_BYTES, length);
      return new TensorFile(path, handle, dataStart, decodeHeader(json, size - dataStart, path));
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** The tensors in the order of their data. */
  get tensors(): readonly TensorSpec[] {
    return this.header.tensors;
  }

  get metadata(): Metadata {
    return this.header.metadata;
  }

  /** A tensor's bytes, in memory of their own that starts at a multiple of 8, so that any typed array can view it. */
  async read(name: string): Promise<Uint8Array<ArrayBuffer>> {
    const tensor = this.byName.get(name);
    if (tensor === undefined) throw new LockstepError('CHECKPOINT', `${this.path} has no tensor "${name}".`);
    return readBytes(this.handle, this.path, this.dataStart + tensor.begin, tensor.end - tensor.begin);
  }

  /** The SHA-256 (hex) of the whole file. */
  async sha256(): Promise<string> {
    const hash = createHash('sha256');
    const stream = this.handle.createReadStream({ start: 0, autoClose: false, highWaterMark: 1 << 20 });
    for await (const chunk of stream) hash.update(chunk as Buffer);
    return hash.digest('hex');
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}

async function readBytes(
  handle: FileHandle,
  path: string,
  start: number,
  length: number,
): Promise<Buffer<ArrayBuffer>> {
  const bytes = Buffer.from(new ArrayBuffer(length));
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(bytes, done, length - done, start + done);
    if (bytesRead === 0) throw damaged(path, start + done, 'the file ends here, in the middle of its data');
    done += bytesRead;
  }
  return bytes;
}

/** Says which file couldn't be written and, for a full disk, what to do. */
export function writeError(path: string, cause: unknown): LockstepError {
  if (cause instanceof LockstepError) return cause;
  if (isSystemError(cause, 'ENOSPC', 'EDQUOT')) {
    return new LockstepError('CHECKPOINT', `No space left for checkpoint file ${basename(path)} (${path}).`, {
      cause,
      hint: 'Earlier checkpoints are intact. Free some space, or keep fewer checkpoints, and start again with --resume.',
    });
  }
  return new LockstepError('CHECKPOINT', `${path} can't be written: ${(cause as Error).message}.`, { cause });
}
