/** Turns of a benchmark: several programs step one after the other, as the one that started them says. */
import { createInterface } from 'node:readline';
import { LockstepError } from '../shared/errors.js';

/**
 * The side of a program that is measured. It writes a line when it is ready, then reads one line before each step
 * and writes one after it: a JSON document each. The Python programs in bench/ do the same.
 */
export class Turns {
  readonly #lines: AsyncIterator<string>;
  readonly #output: NodeJS.WritableStream;

  constructor(input: NodeJS.ReadableStream = process.stdin, output: NodeJS.WritableStream = process.stdout) {
    this.#lines = createInterface({ input })[Symbol.asyncIterator]();
    this.#output = output;
  }

  ready(): void {
    this.#write({ ready: true });
  }

  /** @throws LockstepError USAGE when the input ends before the last step */
  async begin(): Promise<void> {
    const { done } = await this.#lines.next();
    if (done) {
      throw new LockstepError('USAGE', '--turns got no line for its next step: standard input has ended.', {
        hint: 'Write one line for each step.',
      });
    }
  }

  end(step: { readonly ms: number; readonly imagesPerSec: number }): void {
    this.#write(step);
  }

  #write(value: unknown): void {
    this.#output.write(`${JSON.stringify(value)}\n`);
  }
}
