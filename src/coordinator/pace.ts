/** How fast steps go, and from that when they will be done. */

/** Mean time of a step since the first one reported, which is left out: it pays for tracing and for cold caches. */
export class Pace {
  private first: { readonly step: number; readonly at: number } | undefined;
  private msPerStep: number | undefined;

  /** Step `step` ended at `at` milliseconds. What lies between steps, evaluation and checkpoints, counts with them. */
  add(step: number, at: number): void {
    if (this.first === undefined) this.first = { step, at };
    else if (step > this.first.step) this.msPerStep = (at - this.first.at) / (step - this.first.step);
  }

  /** Seconds for `steps` more steps; undefined until there is something to go by. */
  secondsFor(steps: number): number | undefined {
    return this.msPerStep === undefined ? undefined : (steps * this.msPerStep) / 1000;
  }
}

/** How often a plain line says how far a run is: every five seconds at first, every minute in one of hours, whose log is to stay readable. */
export function plainLineMs(elapsedMs: number): number {
  return Math.min(60_000, Math.max(5000, elapsedMs / 20));
}
