/** What CIFAR-10 is: image shape, class names in label order, and the counts of the official splits. */

/** [height, width, channels]; images are uint8, row by row, RGB interleaved (HWC). */
export const imageShape = [32, 32, 3] as const;
export const imageSide = 32;
export const imageBytes = 32 * 32 * 3;

/** Label i is `classes[i]`. The order is alphabetical. */
export const classes = [
  'airplane',
  'automobile',
  'bird',
  'cat',
  'deer',
  'dog',
  'frog',
  'horse',
  'ship',
  'truck',
] as const;

export const splitNames = ['train', 'test'] as const;
export type SplitName = (typeof splitNames)[number];
