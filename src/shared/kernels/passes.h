// The passes over memory of which operations are made, in the instructions that this processor has.
#pragma once

#include <cstddef>
#include <cstdint>
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

enum class Instructions { plain, avx2, avx512 };

inline Instructions instructions() {
#ifdef __x86_64__
  const bool is512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                     __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (is512) return Instructions::avx512;
  if (__builtin_cpu_supports("avx2")) return Instructions::avx2;
#endif
  return Instructions::plain;
}

// For float32, or bfloat16.
inline BatchNormPasses batchNormPasses(bool isHalf) {
  switch (instructions()) {
#ifdef __x86_64__
    case Instructions::avx512:
      return avx512::passesOf(isHalf);
    case Instructions::avx2:
      return avx2::passesOf(isHalf);
#endif
    default:
      return plain::passesOf(isHalf);
  }
}

inline MomentumPass momentumPass(bool nesterov) {
  switch (instructions()) {
#ifdef __x86_64__
    case Instructions::avx512:
      return avx512::momentumPassOf(nesterov);
    case Instructions::avx2:
      return avx2::momentumPassOf(nesterov);
#endif
    default:
      return plain::momentumPassOf(nesterov);
  }
}

}  // namespace lockstep
