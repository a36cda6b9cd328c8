/** Shows on stderr how far something is that is counted: one line that renews itself on a terminal, nothing elsewhere. */

interface Screen {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

export interface CountProgress {
  readonly show: (doing: string, done: number, total: number) => void;
  /** Clears the line. */
  readonly end: () => void;
}

/** How often a line is renewed. */
const everyMs = 100;

export function countProgress(screen: Screen): CountProgress {
  let shownAt = Number.NEGATIVE_INFINITY;
  return {
    show: (doing, done, total) => {
      if (!screen.isTTY || (done < total && performance.now() - shownAt < everyMs)) return;
      shownAt = performance.now();
      screen.write(`\r\u001b[K${doing}: ${done} of ${total}`);
    },
    end: () => {
      if (Number.isFinite(shownAt)) screen.write('\r\u001b[K');
      shownAt = Number.NEGATIVE_INFINITY;
    },
  };
}
