/** How much a run scales its loss, as far as the config says. */
import type { Config, LossScaleConfig } from '../config/schema.js';

/** The config's loss scaling: where it has none, what its precision needs. */
export function lossScaleOf({ lossScale, precision }: Config): LossScaleConfig {
  if (lossScale !== undefined) return lossScale;
  return precision === 'float16'
    ? { kind: 'dynamic', initial: 65_536, growthInterval: 2000 }
    : { kind: 'none' };
}
