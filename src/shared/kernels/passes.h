// The passes over memory of which operations are made, in the instructions that this processor has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace lockstep {

// What is known of every channel.
struct Channels {
  const float* mean;
  // gamma/σ
  const float* factor;
  const float* beta;
};

// Where a gradient passes; also what follows the normalisation: nothing, ReLU, or a sum and then ReLU.
enum class Mask {
  everywhere,
  // Where the normalised x is above 0, which is computed again rather than read.
  normalized,
  // Where y is above 0.
  y,
};

// By Mask, where there are several; see passes.inc.
struct BatchNormPasses {
  void (*moments)(const void* x, std::size_t rows, std::size_t channels, float* mean, float* squares);
  void (*normalize[3])(const void* x, const void* side, std::size_t rows, std::size_t channels, const Channels& by,
                       void* y);
  void (*gradientSums[3])(const void* dy, const void* x, const void* y, std::size_t rows, std::size_t channels,
                          const Channels& by, void* kept, float* sums, float* products);
  void (*inputGradient[2])(const void* dy, const void* x, std::size_t rows, std::size_t channels, const Channels& by,
                           const float* direct, const float* through, void* dx);
};

// g ← gradient + decay·w; v ← momentum·v + g; w ← w − rate·v, or with Nesterov w − rate·(g + momentum·v).
struct MomentumStep {
  float rate;
  float momentum;
  float decay;
};

using MomentumPass = void (*)(const MomentumStep& by, std::size_t count, const float* weight, const float* velocity,
                              const float* gradient, float* newWeight, float* newVelocity);

struct Passes {
  BatchNormPasses floats;
  BatchNormPasses halves;
  MomentumPass momentum;
  MomentumPass nesterov;

  const BatchNormPasses& batchNorm(bool isHalf) const { return isHalf ? halves : floats; }
};

namespace plain {
#include "bfloat16.inc"
#include "passes.inc"
}  // namespace plain

#ifdef __x86_64__
// Set-up compiles with -ffp-contract=off: a fused multiplication and addition would give other bits than the plain way.
#pragma GCC push_options
#pragma GCC target("avx2")
namespace avx2 {
#include "bfloat16.inc"
#include "passes.inc"
}  // namespace avx2
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl")
namespace avx512 {
#include "bfloat16.inc"
#include "passes.inc"
}  // namespace avx512
#pragma GCC pop_options
#endif

// Every bit is the same whichever it is; LOCKSTEP_LANES=4 or 8 leaves wider ones alone, for tests.
inline const Passes& passes() {
#ifdef __x86_64__
  const char* most = std::getenv("LOCKSTEP_LANES");
  const int lanes = most == nullptr ? 16 : std::atoi(most);
  const bool is512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                     __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (is512 && lanes >= 16) return avx512::all;
  if (__builtin_cpu_supports("avx2") && lanes >= 8) return avx2::all;
#endif
  return plain::all;
}

}  // namespace lockstep
