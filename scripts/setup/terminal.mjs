// Set-up's lines: a line that moves on a terminal, one plain line a stage elsewhere; on stderr, as stdout is for results.
// @ts-check

const prefix = 'lockstep set-up: ';

/** @param {number} bytes */
export const megabytes = (bytes) => `${Math.round(bytes / 1e6)} MB`;

/** @param {number} milliseconds */
const seconds = (milliseconds) => `${(milliseconds / 1000).toFixed(milliseconds < 10_000 ? 1 : 0)} s`;

/** @param {string} text */
export function say(text) {
  process.stderr.write(`${prefix}${text}\n`);
}

/**
 * Runs one stage and shows how far it is.
 * @template T
 * @param {string} label
 * @param {(progress: (done: number, total?: number) => void) => Promise<T>} work gets a function to report bytes with
 * @returns {Promise<T>}
 */
export async function stage(label, work) {
  const { stderr } = process;
  const moving = stderr.isTTY === true;
  const started = Date.now();
  const width = stderr.columns || 80;
  let detail = '';
  const draw = () => {
    const line = `${prefix}${label} ${detail}${seconds(Date.now() - started)}`;
    stderr.write(`\r\x1b[2K${line.slice(0, width - 1)}`);
  };
  /** @param {number} done @param {number} [total] */
  const progress = (done, total) => {
    const rate = `${megabytes(done / Math.max((Date.now() - started) / 1000, 0.1))}/s`;
    const part = total ? Math.min(done / total, 1) : undefined;
    const share = part === undefined ? megabytes(done) : `${Math.floor(100 * part)} %`;
    detail = `${part === undefined || width < 100 ? '' : bar(part)}${share}, ${rate}, `;
  };
  if (!moving) stderr.write(`${prefix}${label} ...`);
  const timer = moving ? setInterval(draw, 200) : undefined;
  let outcome = 'failed';
  try {
    const result = await work(progress);
    outcome = seconds(Date.now() - started);
    return result;
  } finally {
    clearInterval(timer);
    stderr.write(moving ? `\r\x1b[2K${prefix}${label}: ${outcome}\n` : ` ${outcome}\n`);
  }
}

/** @param {number} fraction 0 to 1 */
function bar(fraction) {
  const cells = 20;
  const full = Math.round(cells * fraction);
  return `[${'#'.repeat(full)}${'.'.repeat(cells - full)}] `;
}
