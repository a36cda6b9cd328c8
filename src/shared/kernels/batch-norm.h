// BatchNorm in training, forward and backward, over the rows of a matrix [rows, channels].
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
#include <vector>

#include "passes.h"
#include "team.h"

namespace lockstep {

struct Rows {
  std::size_t rows;
  std::size_t channels;
  std::size_t bytesOfValue;

  // Of which one thread computes at a time: small enough for its cache, and the same for any number of threads.
  std::size_t ofPart() const { return std::max<std::size_t>(1, 32768 / std::max<std::size_t>(1, channels)); }
  std::size_t parts() const { return (rows + ofPart() - 1) / ofPart(); }
  std::size_t first(std::size_t part) const { return part * ofPart(); }
  std::size_t count(std::size_t part) const { return std::min(ofPart(), rows - first(part)); }

  const void* in(const void* values, std::size_t part) const {
    return values == nullptr ? nullptr : static_cast<const char*>(values) + offset(part);
  }
  void* in(void* values, std::size_t part) const {
    return values == nullptr ? nullptr : static_cast<char*>(values) + offset(part);
  }

 private:
  std::size_t offset(std::size_t part) const { return first(part) * channels * bytesOfValue; }
};

// Two numbers of each part and channel.
class PartSums {
 public:
  explicit PartSums(const Rows& of) : channels_(of.channels), sums_(new float[2 * of.parts() * of.channels]) {}
  float* first(std::size_t part) { return sums_.get() + 2 * part * channels_; }
  float* second(std::size_t part) { return first(part) + channels_; }

 private:
  std::size_t channels_;
  std::unique_ptr<float[]> sums_;
};

inline float inverseDeviation(float variance, float epsilon) { return 1 / std::sqrt(variance + epsilon); }

// gamma/σ. Forward and backward need the same bits: they compute the same mask.
inline std::vector<float> factorsOf(std::size_t channels, const float* gamma, const float* variance, float epsilon) {
  std::vector<float> factor(channels);
  for (std::size_t c = 0; c < channels; c++) factor[c] = gamma[c] * inverseDeviation(variance[c], epsilon);
  return factor;
}

// Means and variances (divided by the count) of x. Parts are merged in their order (Chan, Golub and LeVeque 1983).
inline void momentsOf(Team& team, const BatchNormPasses& passes, const Rows& rows, const void* x, float* mean,
                      float* variance) {
  PartSums sums(rows);
  team.run(rows.parts(), [&](std::size_t part) {
    passes.moments(rows.in(x, part), rows.count(part), rows.channels, sums.first(part), sums.second(part));
  });
  std::vector<double> allMean(rows.channels);
  std::vector<double> allSquares(rows.channels);
  for (std::size_t part = 0; part < rows.parts(); part++) {
    const double before = static_cast<double>(rows.first(part));
    const double share = rows.count(part) / (before + rows.count(part));
    const float* partMean = sums.first(part);
    const float* partSquares = sums.second(part);
    for (std::size_t c = 0; c < rows.channels; c++) {
      const double step = partMean[c] - allMean[c];
      allMean[c] += step * share;
      allSquares[c] += partSquares[c] + step * step * share * before;
    }
  }
  for (std::size_t c = 0; c < rows.channels; c++) {
    mean[c] = static_cast<float>(allMean[c]);
    variance[c] = static_cast<float>(allSquares[c] / rows.rows);
  }
}

// y = normalised x, then ReLU, or the sum with `side` and then ReLU, as `after` says.
inline void normalizeBatch(Team& team, const BatchNormPasses& passes, const Rows& rows, Mask after, float epsilon,
                           const void* x, const float* gamma, const float* beta, const void* side, float* mean,
                           float* variance, void* y) {
  momentsOf(team, passes, rows, x, mean, variance);
  const auto factor = factorsOf(rows.channels, gamma, variance, epsilon);
  const Channels by{mean, factor.data(), beta};
  team.run(rows.parts(), [&](std::size_t part) {
    passes.normalize[static_cast<int>(after)](rows.in(x, part), rows.in(side, part), rows.count(part), rows.channels,
                                              by, rows.in(y, part));
  });
}

// With Mask::y the gradient that passes is left in dSide, which may be dy's memory, and dx may be x's; else dx may be dy's
// memory, or x's.
inline void differentiateBatch(Team& team, const BatchNormPasses& passes, const Rows& rows, Mask mask, float epsilon,
                               const void* dy, const void* x, const void* y, const float* gamma, const float* beta,
                               const float* mean, const float* variance, void* dSide, void* dx, float* dGamma,
                               float* dBeta) {
  const std::size_t channels = rows.channels;
  const auto factor = factorsOf(channels, gamma, variance, epsilon);
  const Channels by{mean, factor.data(), beta};
  PartSums sums(rows);
  team.run(rows.parts(), [&](std::size_t part) {
    passes.gradientSums[static_cast<int>(mask)](rows.in(dy, part), rows.in(x, part), rows.in(y, part),
                                                rows.count(part), channels, by, rows.in(dSide, part),
                                                sums.first(part), sums.second(part));
  });
  std::vector<double> all(2 * channels);
  for (std::size_t part = 0; part < rows.parts(); part++) {
    const float* both = sums.first(part);
    for (std::size_t i = 0; i < 2 * channels; i++) all[i] += both[i];
  }
  std::vector<float> direct(channels);
  std::vector<float> through(channels);
  for (std::size_t c = 0; c < channels; c++) {
    const double inverse = inverseDeviation(variance[c], epsilon);
    const double products = all[channels + c];
    dBeta[c] = static_cast<float>(all[c]);
    dGamma[c] = static_cast<float>(products * inverse);
    direct[c] = static_cast<float>(all[c] / rows.rows);
    through[c] = static_cast<float>(products * inverse * inverse / rows.rows);
  }
  // What passed is in dSide already.
  const bool isKept = mask == Mask::y;
  const void* gradient = isKept ? dSide : dy;
  const Mask left = isKept ? Mask::everywhere : mask;
  team.run(rows.parts(), [&](std::size_t part) {
    passes.inputGradient[static_cast<int>(left)](rows.in(gradient, part), rows.in(x, part), rows.count(part), channels,
                                                 by, direct.data(), through.data(), rows.in(dx, part));
  });
}

}  // namespace lockstep
