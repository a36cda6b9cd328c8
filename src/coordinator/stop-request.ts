/** The wish that a run ends early: whoever gets a signal makes it, the training looks for it between steps. */
export class StopRequest {
  #requested = false;

  get requested(): boolean {
    return this.#requested;
  }

  make(): void {
    this.#requested = true;
  }
}
