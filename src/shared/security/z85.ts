/** ZeroMQ's way to write keys as text: ZeroMQ RFC 32. */

const digits = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#';

/** Five characters for every four bytes. @throws RangeError unless there are a multiple of four */
export function encodeZ85(bytes: Buffer): string {
  if (bytes.length % 4 !== 0) throw new RangeError(`${bytes.length} bytes are no multiple of four`);
  let text = '';
  for (let at = 0; at < bytes.length; at += 4) {
    const value = bytes.readUInt32BE(at);
    for (const power of [85 ** 4, 85 ** 3, 85 ** 2, 85, 1]) text += digits[Math.floor(value / power) % 85];
  }
  return text;
}
