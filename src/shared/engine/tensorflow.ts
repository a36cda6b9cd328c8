/** The one place that loads tfjs with its native addon, so that threads and GPU are bound before it starts. */
import { createRequire } from 'node:module';

type TensorFlow = typeof import('@tensorflow/tfjs-node-gpu');

// tfjs checks at import whether its banner may be printed; workers have logs of their own.
process.env.TF_CPP_MIN_LOG_LEVEL ??= '2';
// TensorFlow leaves oneDNN off on processors without AVX-512, where it helps as much: see docs/design.md.
process.env.TF_ENABLE_ONEDNN_OPTS ??= '1';
// On GPUs kernels are chosen by timing them, and some add in any order: the same bits twice, and with another number of
// workers, need those that don't. It changes nothing on processors, where all are such.
process.env.TF_DETERMINISTIC_OPS ??= '1';
// A GPU's memory is taken as it is needed. tfjs makes TensorFlow's first devices, so a session's own option is too late.
process.env.TF_FORCE_GPU_ALLOW_GROWTH ??= 'true';
// Mixed precision is for convolutions. MatMul is a head's and an objective's: it costs next to nothing, and rounded to 16
// bits it would change the loss (similarities are divided by the temperature, and compared).
process.env.TF_AUTO_MIXED_PRECISION_GRAPH_REWRITE_ALLOWLIST_REMOVE ??= 'MatMul';
// Gradients leave as they were computed: a Bitcast of bfloat16 takes what a Bitcast of float32 would want cast.
process.env.TF_AUTO_MIXED_PRECISION_GRAPH_REWRITE_CLEARLIST_ADD ??= 'Bitcast';
// Those of our own that take both types: in 16 bits where what comes before and after is.
process.env.TF_AUTO_MIXED_PRECISION_GRAPH_REWRITE_INFERLIST_ADD ??= 'LockstepBatchNorm,LockstepBatchNormGrad';

export const tf: TensorFlow = createRequire(import.meta.url)('@tensorflow/tfjs-node-gpu');
