/** The parts of encoders by name, in the order in which images go through them: what can be frozen. */
import type { ModelConfig } from '../config/schema.js';

const resnet = ['stem', 'stage1', 'stage2', 'stage3', 'stage4'] as const;
const airbench = ['stem', 'stage1', 'stage2', 'stage3'] as const;
const tiny = ['stem', 'stage1', 'stage2'] as const;

export type EncoderPartName = (typeof resnet)[number];

/** Known without building the model, which loads TensorFlow. */
export function encoderParts(encoder: ModelConfig['encoder']): readonly EncoderPartName[] {
  switch (encoder) {
    case 'tiny':
      return tiny;
    case 'airbench':
      return airbench;
    default:
      return resnet;
  }
}
