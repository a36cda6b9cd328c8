/** What the kernel keeps of files in memory, which a measurement of a disk must not find there. */
import koffi, { type KoffiFunc } from 'koffi';

const POSIX_FADV_DONTNEED = 4;

const posixFadvise = koffi
  .load(null)
  .func('int posix_fadvise(int fd, int64_t offset, int64_t length, int advice)') as unknown as KoffiFunc<
  (fd: number, offset: number, length: number, advice: number) => number
>;

/** Has the kernel forget an open file that is synced: the next read is the disk's. In a tmpfs there is nothing to forget. */
export function forgetFile(fd: number): void {
  // It is advice: where it can't be followed, the read is faster than the disk.
  posixFadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}
