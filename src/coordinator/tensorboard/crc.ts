/** Checksums of 32 bits: CRC-32C (Castagnoli) of TFRecord files, and CRC-32 of PNG, which zlib has only in newer Nodes. */

/** The checksum with a polynomial, bits reflected. */
function crc(polynomial: number): (bytes: Uint8Array) => number {
  const table = Uint32Array.from({ length: 256 }, (_, byte) => {
    let remainder = byte;
    for (let bit = 0; bit < 8; bit += 1) {
      remainder = remainder & 1 ? (remainder >>> 1) ^ polynomial : remainder >>> 1;
    }
    return remainder;
  });
  return (bytes) => {
    let sum = 0xffffffff;
    for (let i = 0; i < bytes.length; i += 1) sum = table[(sum ^ bytes[i]!) & 0xff]! ^ (sum >>> 8);
    return ~sum >>> 0;
  };
}

export const crc32c = crc(0x82f63b78);
export const crc32 = crc(0xedb88320);

/** As files hold it: a checksum of data that holds checksums itself would be weak (tensorflow/core/lib/hash/crc32c.h). */
export function maskedCrc32c(bytes: Uint8Array): number {
  const sum = crc32c(bytes);
  return (((sum >>> 15) | (sum << 17)) + 0xa282ead8) >>> 0;
}
