/** Notices when nobody has been heard for too long, and does not blame others for a pause of this process. */

/** How often both ends of the control connection say that they live, and look whether the other one does. */
export const beatMs = 1000;

export class SilenceWatch {
  #looked = performance.now();

  /**
   * To be called at every beat, once, before looking at anybody.
   * @returns whether silence means something: after this process itself was held up (by a long computation, or stopped
   * by a signal), what the others sent meanwhile has not been read yet
   */
  look(now = performance.now()): boolean {
    const heldUp = now - this.#looked > 2 * beatMs;
    this.#looked = now;
    return !heldUp;
  }
}
