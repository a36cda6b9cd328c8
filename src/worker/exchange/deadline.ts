/** A wait that ends with an error when nothing comes for too long. */

export class Deadline {
  #timer: NodeJS.Timeout | undefined;

  constructor(
    readonly milliseconds: number,
    readonly expired: () => void,
  ) {}

  /** Starts to wait, or again after something came. */
  extend(): void {
    // `refresh` does not make a new timer: this is called for every message.
    if (this.#timer === undefined) this.#timer = setTimeout(() => this.expired(), this.milliseconds);
    else this.#timer.refresh();
  }

  get waiting(): boolean {
    return this.#timer !== undefined;
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
