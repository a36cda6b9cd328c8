/** How much every worker reduces in a step. */
import type { Config } from '../../shared/config/schema.js';
import { elementCount } from '../../shared/engine/dtype.js';
import { buildModel } from '../../shared/model/model.js';

/** Gradients of all trained parameters and BatchNorm's statistics in the first stage, as float32. */
export function reducedBytes({ model: config, stages }: Config): number {
  const model = buildModel(config);
  const [stage] = stages;
  const frozen = stage?.objective === 'softmax' && stage.freeze === 'encoder';
  const tensors = [
    ...model.parameters.filter(({ group }) => !frozen || group !== 'encoder'),
    ...(frozen ? [] : model.statistics),
  ];
  return tensors.reduce((sum, { shape }) => sum + elementCount(shape) * Float32Array.BYTES_PER_ELEMENT, 0);
}
