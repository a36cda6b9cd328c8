/** 2-D convolution, NHWC, with PyTorch's symmetric padding forward and backward. */
import type { Tensor4D } from '@tensorflow/tfjs-node-gpu';
import type { Attributes } from '../../engine/graph.js';
import { tf } from '../../engine/tensorflow.js';
import { convolutionByPixel, pointwiseConvolution } from './convolution-by-products.js';
import { kernelGradient } from './kernel-gradient.js';
import { padded } from './padding.js';
import { ints, ofFloats, raw, withGradient } from './raw.js';
import { winogradConvolution } from './winograd.js';

/** Up to so many pixels that come out of it, a 1x1 convolution is faster as a product: see docs/design.md. */
const mostPointwisePixels = 256;
/** The same for larger kernels. */
const windowPixels = 4;
/** Up to so many pixels that come out, and from so many channels in and out on, a 3x3 convolution has faster ways. */
const smallPixels = 64;
const smallChannels = 128;

/** How it is computed, where oneDNN and cuDNN are not the way: see docs/design.md. */
export interface ConvolutionWays {
  /** 3x3 kernels on small images: all by Winograd's algorithm, at stride 1; or the kernels' gradients by products. */
  readonly smallImages?: 'winograd' | 'kernelGradient' | undefined;
  /** Whether products for 1x1 kernels' gradients are turned where that is faster: see `turnedProduct`. */
  readonly turned?: boolean | undefined;
  /** Up to so many pixels that come out a 1x1 convolution is a product, if not up to 256. */
  readonly pointwisePixels?: number | undefined;
}

/**
 * @param x [B,H,W,in]
 * @param kernel [size,size,in,out], size odd
 * @returns [B,⌈H/stride⌉,⌈W/stride⌉,out]
 */
export function convolution(
  x: Tensor4D,
  kernel: Tensor4D,
  stride: number,
  { smallImages, turned, pointwisePixels = mostPointwisePixels }: ConvolutionWays = {},
): Tensor4D {
  const [size, , inputs, outputs] = kernel.shape;
  const pixels = Math.ceil(x.shape[1] / stride) * Math.ceil(x.shape[2] / stride);
  if (size === 1 && pixels <= pointwisePixels) return pointwiseConvolution(x, kernel, stride, turned);
  if (size > 1 && pixels <= windowPixels) return convolutionByPixel(x, kernel, stride);
  const small = size === 3 && pixels <= smallPixels && Math.min(inputs, outputs) >= smallChannels;
  if (small && stride === 1 && smallImages === 'winograd') return winogradConvolution(x, kernel);
  // TensorFlow has no oneDNN kernel for the gradients of a convolution with explicit padding; with an operation of its
  // own for the padding, a strided 3x3 backward is three times as fast on a CPU.
  const apart = stride > 1 && size > 1;
  const input = apart ? padded(x, size, stride) : x;
  const attributes: Attributes = {
    ...ofFloats,
    padding: { kind: 'string', value: apart ? 'VALID' : 'SAME' },
    strides: ints(1, stride, stride, 1),
  };
  const y = raw<Tensor4D>('Conv2D', [input, kernel], attributes);
  const byProducts = small && smallImages === 'kernelGradient';
  return withGradient(y, [input, kernel], [byProducts ? x : input, kernel], (dy, seen, kernel) => [
    raw('Conv2DBackpropInput', [tf.tensor1d(input.shape, 'int32'), kernel!, dy], attributes),
    byProducts
      ? kernelGradient(seen as Tensor4D, dy, stride)
      : raw('Conv2DBackpropFilter', [seen!, tf.tensor1d(kernel!.shape, 'int32'), dy], attributes),
  ]);
}
