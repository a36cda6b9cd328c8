/** First values of parameters: a pure function of the run's seed and each parameter's name, equal on every worker. */
import { fillNormal, uniform } from '../random/keyed.js';
import type { ParameterSpec } from './tensor-specs.js';

/**
 * He normal: N(0, 2/fan) (He et al. 2015, fan-out as in torchvision). Glorot uniform: ±√(6/(fanIn+fanOut)).
 *
 * @param values where they go, whatever was there before
 */
export function initialize(
  { name, shape, init }: ParameterSpec,
  seed: number,
  values: Float32Array = new Float32Array(shape.reduce((product, n) => product * n, 1)),
): Float32Array {
  switch (init.kind) {
    case 'zeros':
      return values.fill(0);
    case 'ones':
      return values.fill(1);
    case 'identity':
      return identity(values, shape, seed, name);
    case 'heNormal': {
      fillNormal(values, seed, name);
      const deviation = Math.sqrt(2 / init.fan);
      for (let i = 0; i < values.length; i += 1) values[i] = values[i]! * deviation;
      return values;
    }
    case 'glorotUniform': {
      const limit = Math.sqrt(6 / (init.fanIn + init.fanOut));
      for (let i = 0; i < values.length; i += 1) values[i] = (2 * uniform(seed, name, i) - 1) * limit;
      return values;
    }
  }
}

/**
 * A kernel HWIO whose first outputs pass the inputs on unchanged (Dirac, as in airbench), and whose other outputs are
 * uniform in ±1/√(H·W·I), PyTorch's default for convolutions.
 */
function identity(values: Float32Array, shape: readonly number[], seed: number, name: string): Float32Array {
  const [height, width, inputs, outputs] = shape as [number, number, number, number];
  const limit = 1 / Math.sqrt(height * width * inputs);
  const middle = (height >> 1) * width + (width >> 1);
  for (let i = 0; i < values.length; i += 1) {
    const output = i % outputs;
    const input = Math.floor(i / outputs) % inputs;
    const position = Math.floor(i / (outputs * inputs));
    if (output >= inputs) values[i] = (2 * uniform(seed, name, i) - 1) * limit;
    else values[i] = input === output && position === middle ? 1 : 0;
  }
  return values;
}
