// What set-up says when it can't go on: one line that names what is wrong and what to do.
// @ts-check

export class SetupFailure extends Error {
  /**
   * @param {string} message what is wrong and where
   * @param {string} hint what to do about it
   */
  constructor(message, hint) {
    super(message);
    this.name = 'SetupFailure';
    this.hint = hint;
  }
}

const noSpace = /ENOSPC|no space left on device|disk quota exceeded|EDQUOT/i;
const noNetwork =
  /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|Max retries exceeded|NewConnectionError|ConnectTimeoutError|ReadTimeoutError|Temporary failure in name resolution|Name or service not known|Network is unreachable|Could not fetch URL|ProxyError|SSLError/i;

/** @param {unknown} error @returns {string} */
export function textOf(error) {
  return error instanceof Error ? error.message : String(error);
}

/** @param {string} text @returns {boolean} whether a program's output, or an error's message, says that a disk is full */
export function saysDiskFull(text) {
  return noSpace.test(text);
}

/** @param {string} where @returns {SetupFailure} */
export function diskFull(where) {
  return new SetupFailure(
    `The disk is full (no space left for ${where}).`,
    'Free some space and run the command again: it goes on with what is already there.',
  );
}

/**
 * Why a package manager's run failed, from what it printed.
 * @param {'npm' | 'pip'} tool
 * @param {string} what what it was asked for
 * @param {string} output all that it printed
 * @param {string} log where the whole output is
 * @returns {SetupFailure}
 */
export function downloadFailure(tool, what, output, log) {
  if (saysDiskFull(output)) return diskFull(what);
  if (noNetwork.test(output)) {
    return new SetupFailure(
      `${tool} could not reach its package index to download ${what}.`,
      tool === 'npm'
        ? 'Connect this machine to the network, or name a mirror (`npm config set registry URL`), and run the command again.'
        : 'Connect this machine to the network, name a mirror (PIP_INDEX_URL), or point LIBTENSORFLOW_DIR at an installation; then run the command again.',
    );
  }
  if (tool === 'pip' && /No matching distribution found/i.test(output)) {
    return new SetupFailure(
      `pip finds no ${what} for this platform in its package index.`,
      'If PIP_INDEX_URL names a mirror, ask for the package there, or point LIBTENSORFLOW_DIR at an installation.',
    );
  }
  return new SetupFailure(
    `${tool} failed on ${what}: ${lastLine(output)}`,
    `All that it printed is in ${log}.`,
  );
}

/** @param {string} output @returns {string} the line of a program's output that says most about its failure */
export function lastLine(output) {
  const lines = output
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !/A complete log of this run/.test(line));
  const errors = lines.filter((line) => /error/i.test(line));
  return (errors.at(-1) ?? lines.at(-1) ?? 'it printed nothing').slice(0, 300);
}

/**
 * Why g++ failed, from what it printed.
 * @param {string} what it was to compile
 * @param {string} output all that it printed
 * @param {string} log where the whole output is
 * @returns {SetupFailure}
 */
export function compilerFailure(what, output, log) {
  if (saysDiskFull(output)) return diskFull(what);
  const first = output.split('\n').find((line) => /error|cannot find/i.test(line)) ?? 'it printed no error';
  return new SetupFailure(
    `g++ could not compile ${what}: ${first.trim().slice(0, 300)}`,
    `It needs g++ 8 or newer with the standard C++ headers; all that it printed is in ${log}.`,
  );
}
