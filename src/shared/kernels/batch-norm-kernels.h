// LockstepBatchNorm, its gradient, and what they ask of their inputs.
#pragma once

#include <cstdint>
#include <vector>

#include "batch-norm.h"
#include "kernel.h"
#include "team.h"

namespace lockstep {

// x as rows of channels.
inline Rows rowsOf(const std::vector<std::int64_t>& shape, bool isHalf) {
  require(!shape.empty(), "x needs a last dimension of channels.");
  Rows rows{1, static_cast<std::size_t>(shape.back()), isHalf ? sizeof(std::uint16_t) : sizeof(float)};
  for (std::size_t i = 0; i + 1 < shape.size(); i++) rows.rows *= static_cast<std::size_t>(shape[i]);
  return rows;
}

inline void requireChannels(const Tensor& tensor, const Rows& rows) {
  require(tensor.bytes() == rows.channels * sizeof(float), "a value for each channel is needed.");
}

constexpr int typeOf(bool isHalf) { return isHalf ? tfBfloat16 : tfFloat; }

// The attributes that both have; of those of an operation, T chooses the kernel, and `sides` counts inputs.
struct BatchNormAttributes {
  explicit BatchNormAttributes(const Construction& of) : epsilon(of.number("epsilon")), relu(of.flag("relu")) {}

  float epsilon;
  bool relu;
};

// Inputs x, gamma, beta and at most one side; outputs y, mean and variance.
template <bool isHalf>
class BatchNorm : BatchNormAttributes {
 public:
  using BatchNormAttributes::BatchNormAttributes;

  void compute(const Call& call) const {
    const Tensor x = call.input(0);
    const Tensor gamma = call.input(1);
    const Tensor beta = call.input(2);
    const auto shape = x.shape();
    const Rows rows = rowsOf(shape, isHalf);
    requireChannels(gamma, rows);
    requireChannels(beta, rows);
    const bool hasSide = call.inputs() > 3;
    require(call.inputs() <= 4 && (relu || !hasSide), "a side is one, and followed by ReLU.");
    const Tensor y = call.output(0, typeOf(isHalf), shape, x.bytes());
    const Tensor mean = call.output(1, tfFloat, gamma.shape(), gamma.bytes());
    const Tensor variance = call.output(2, tfFloat, gamma.shape(), gamma.bytes());
    const Mask after = hasSide ? Mask::y : relu ? Mask::normalized : Mask::everywhere;
    const auto run = [&](const void* side) {
      normalizeBatch(*team, passes().batchNorm(isHalf), rows, after, epsilon, x.data(), gamma.floats(), beta.floats(), side,
                     mean.floats(), variance.floats(), y.data());
    };
    if (!hasSide) return run(nullptr);
    const Tensor side = call.input(3);
    require(side.bytes() == x.bytes(), "the side has x's shape.");
    run(side.data());
  }

  static void shapes(TF_ShapeInferenceContext* context, TF_Status* status) { shareShapes(context, {0, 1, 1}, status); }
};

// Inputs dy, x, gamma, beta, mean, variance, and y where there was a side; outputs dx, dgamma, dbeta, and the side's.
template <bool isHalf>
class BatchNormGradient : BatchNormAttributes {
 public:
  using BatchNormAttributes::BatchNormAttributes;

  void compute(const Call& call) const {
    const Tensor gamma = call.input(2);
    const Tensor beta = call.input(3);
    const Tensor mean = call.input(4);
    const Tensor variance = call.input(5);
    // Held no longer than needed: an output may take an input's memory.
    const auto shape = call.input(1).shape();
    const std::size_t bytes = call.input(1).bytes();
    const Rows rows = rowsOf(shape, isHalf);
    for (const Tensor* one : {&gamma, &beta, &mean, &variance}) requireChannels(*one, rows);
    require(call.input(0).bytes() == bytes, "the gradient has x's shape.");
    const Tensor dGamma = call.output(1, tfFloat, gamma.shape(), gamma.bytes());
    const Tensor dBeta = call.output(2, tfFloat, gamma.shape(), gamma.bytes());
    const auto run = [&](Mask mask, const void* y, void* dSide, const Tensor& dx) {
      differentiateBatch(*team, passes().batchNorm(isHalf), rows, mask, epsilon, call.input(0).data(), call.input(1).data(),
                         y, gamma.floats(), beta.floats(), mean.floats(), variance.floats(), dSide, dx.data(),
                         dGamma.floats(), dBeta.floats());
    };
    const bool hasSide = call.inputs() > 6;
    if (!hasSide) {
      const Mask mask = relu ? Mask::normalized : Mask::everywhere;
      return run(mask, nullptr, nullptr, call.outputInPlace(0, {0, 1}, shape));
    }
    const Tensor y = call.input(6);
    require(y.bytes() == bytes, "y has x's shape.");
    const Tensor dSide = call.outputInPlace(3, {0}, shape);
    run(Mask::y, y.data(), dSide.data(), call.outputInPlace(0, {1}, shape));
  }

  static void shapes(TF_ShapeInferenceContext* context, TF_Status* status) {
    const bool hasSide = TF_ShapeInferenceContextNumInputs(context) > 6;
    shareShapes(context, hasSide ? std::vector<int>{1, 2, 2, 0} : std::vector<int>{1, 2, 2}, status);
  }
};

inline void registerBatchNorm() {
  const std::vector<const char*> attributes = {"T: {float, bfloat16}", "sides: int >= 0", "epsilon: float", "relu: bool"};
  registerOperation({"LockstepBatchNorm",
                     {"x: T", "gamma: float", "beta: float", "side: sides * T"},
                     {"y: T", "mean: float", "variance: float"},
                     attributes,
                     BatchNorm<false>::shapes});
  registerKernel<BatchNorm<false>>("LockstepBatchNorm", tfFloat);
  registerKernel<BatchNorm<true>>("LockstepBatchNorm", tfBfloat16);
  registerOperation({"LockstepBatchNormGrad",
                     {"dy: T", "x: T", "gamma: float", "beta: float", "mean: float", "variance: float", "y: sides * T"},
                     {"dx: T", "dgamma: float", "dbeta: float", "dside: sides * T"},
                     attributes,
                     BatchNormGradient<false>::shapes});
  registerKernel<BatchNormGradient<false>>("LockstepBatchNormGrad", tfFloat);
  registerKernel<BatchNormGradient<true>>("LockstepBatchNormGrad", tfBfloat16);
}

}  // namespace lockstep
