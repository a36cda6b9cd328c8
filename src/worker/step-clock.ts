/** Where the time of a step goes. */

/** Splits a step's time; waiting on peers inside of compute is moved to where it belongs. */
export class StepClock {
  readonly ms = { input: 0, compute: 0, exposedComm: 0 };
  #last = performance.now();
  #exposed = 0;

  lap(part: keyof StepClock['ms']): void {
    const now = performance.now();
    this.ms[part] += now - this.#last;
    if (part === 'compute') {
      this.ms.compute -= this.#exposed;
      this.ms.exposedComm += this.#exposed;
    }
    this.#last = now;
  }

  async exposed<T>(wait: () => Promise<T>): Promise<T> {
    const began = performance.now();
    try {
      return await wait();
    } finally {
      this.waited(performance.now() - began);
    }
  }

  /** Counts time as waiting on peers. */
  waited(ms: number): void {
    this.#exposed += ms;
  }
}
