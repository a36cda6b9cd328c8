/** Exponential moving averages of weights and running statistics over the steps of a stage. */

/**
 * How much of the average update t keeps, t counted from 1: min(decay, (1 + t)/(10 + t)), TensorFlow's rule
 * (tf.train.ExponentialMovingAverage with num_updates), so that the first weights are soon forgotten.
 */
export function emaDecay(decay: number, update: number): number {
  return Math.min(decay, (1 + update) / (10 + update));
}
