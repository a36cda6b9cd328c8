/** Shows on stderr how far an import is: one line that renews itself on a terminal, a line every quarter elsewhere. */
import type { Progress } from '../shared/data/progress.js';

interface Screen {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** @returns what to call with each progress, and at the end with nothing */
export function showProgress(screen: Screen = process.stderr): (progress?: Progress) => void {
  let doing = '';
  let shown = -1;
  return (progress) => {
    if (progress === undefined) {
      if (screen.isTTY && doing !== '') screen.write('\n');
      return;
    }
    if (progress.doing !== doing) {
      if (screen.isTTY && doing !== '') screen.write('\n');
      doing = progress.doing;
      shown = -1;
    }
    // Without a total every 16 MB or so is a step.
    const step =
      progress.total === undefined
        ? Math.floor(progress.done / 16_000_000)
        : Math.floor((100 * progress.done) / progress.total / (screen.isTTY ? 1 : 25));
    if (step === shown) return;
    shown = step;
    screen.write(screen.isTTY ? `\r\u001b[K${line(progress)}` : `${line(progress)}\n`);
  };
}

function line({ doing, done, total, unit }: Progress): string {
  const amount = (value: number) => (unit === 'bytes' ? (value / 1e6).toFixed(1) : String(value));
  const share = total === undefined ? '' : ` of ${amount(total)}`;
  const percent = total === undefined ? '' : ` (${Math.floor((100 * done) / total)} %)`;
  return `${doing} ${amount(done)}${share} ${unit === 'bytes' ? 'MB' : 'images'}${percent}`;
}
