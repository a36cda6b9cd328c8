/** Sorts bulk messages by step: to whoever listens, or kept until somebody does, or dropped as stale. */
import type { Values } from './values.js';
import type { BulkHeader, BulkKind } from './wire.js';

/** A bulk message; the payload may be read until the commit of its step. */
export interface BulkMessage {
  readonly header: BulkHeader;
  readonly payload: Values;
}

export interface Listener {
  message(message: BulkMessage): void;
  /** No message will come any more. */
  failed(error: Error): void;
}

interface Listening {
  readonly step: number;
  readonly kinds: readonly BulkKind[];
  readonly listener: Listener;
}

export class Inbox {
  readonly #listening = new Set<Listening>();
  #early: BulkMessage[] = [];
  #step = 0;
  #error: Error | undefined;
  /** Messages of steps that are over. */
  stale = 0;

  /** Drops all that belongs to earlier steps. */
  begin(step: number): void {
    this.#step = step;
    const kept = this.#early.filter(({ header }) => header.step >= step);
    this.stale += this.#early.length - kept.length;
    this.#early = kept;
  }

  /** Hands over the messages of some kinds of a step, those that came already first. Returns how to stop. */
  listen(step: number, kinds: readonly BulkKind[], listener: Listener): () => void {
    const entry = { step, kinds, listener };
    if (this.#error !== undefined) {
      listener.failed(this.#error);
      return () => {};
    }
    this.#listening.add(entry);
    const waiting = this.#early.filter(({ header }) => header.step === step && kinds.includes(header.kind));
    this.#early = this.#early.filter((message) => !waiting.includes(message));
    for (const message of waiting) listener.message(message);
    return () => this.#listening.delete(entry);
  }

  deliver(message: BulkMessage): void {
    const { step, kind } = message.header;
    if (step < this.#step) {
      this.stale += 1;
      return;
    }
    for (const entry of this.#listening) {
      if (entry.step === step && entry.kinds.includes(kind)) {
        entry.listener.message(message);
        return;
      }
    }
    this.#early.push(message);
  }

  /** Tells all listeners, now and later, that no message will come. */
  fail(error: Error): void {
    this.#error ??= error;
    const listening = [...this.#listening];
    this.#listening.clear();
    this.#early = [];
    for (const { listener } of listening) listener.failed(error);
  }
}
