// LockstepMomentum: one weight's step of gradient descent with momentum, in one pass.
#pragma once

#include <algorithm>
#include <cstddef>

#include "kernel.h"
#include "passes.h"
#include "team.h"

namespace lockstep {

// Inputs weight, velocity, gradient, rate and momentum; outputs the new weight and velocity, in memory of their own, so
// whoever still holds the old ones keeps them. TensorFlow's releases export no function that gives a variable's memory.
class Momentum {
 public:
  explicit Momentum(const Construction& of) : decay_(of.number("decay")), pass_(of.flag("nesterov") ? passes().nesterov : passes().momentum) {}

  void compute(const Call& call) const {
    const Tensor weight = call.input(0);
    const Tensor velocity = call.input(1);
    const Tensor gradient = call.input(2);
    const Tensor rate = call.input(3);
    const Tensor momentum = call.input(4);
    const std::size_t bytes = weight.bytes();
    require(velocity.bytes() == bytes && gradient.bytes() == bytes, "velocity and gradient have the weight's shape.");
    require(rate.bytes() == sizeof(float) && momentum.bytes() == sizeof(float), "rate and momentum are one number each.");
    const Tensor newWeight = call.output(0, tfFloat, weight.shape(), bytes);
    const Tensor newVelocity = call.output(1, tfFloat, weight.shape(), bytes);
    const MomentumStep by{*rate.floats(), *momentum.floats(), decay_};
    const std::size_t count = bytes / sizeof(float);
    team->run((count + ofPart - 1) / ofPart, [&](std::size_t part) {
      const std::size_t from = part * ofPart;
      pass_(by, std::min(ofPart, count - from), weight.floats() + from, velocity.floats() + from,
            gradient.floats() + from, newWeight.floats() + from, newVelocity.floats() + from);
    });
  }

  static void shapes(TF_ShapeInferenceContext* context, TF_Status* status) { shareShapes(context, {0, 1}, status); }

 private:
  // Values of which one thread computes at a time.
  static constexpr std::size_t ofPart = 65536;
  float decay_;
  MomentumPass pass_;
};

inline void registerMomentum() {
  registerOperation({"LockstepMomentum",
                     {"weight: float", "velocity: float", "gradient: float", "rate: float", "momentum: float"},
                     {"new_weight: float", "new_velocity: float"},
                     {"decay: float", "nesterov: bool"},
                     Momentum::shapes});
  registerKernel<Momentum>("LockstepMomentum", 0);
}

}  // namespace lockstep
