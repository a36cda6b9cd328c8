// The arithmetic in which gradients are summed. Set-up compiles it to add.so, beside what add.ts becomes.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#ifdef __x86_64__
#include <immintrin.h>
#define LOCKSTEP_AVX2 __attribute__((target("avx2")))
#endif

namespace {

// The upper half of a float32.
using bfloat16 = std::uint16_t;

constexpr std::size_t lanes = 8;
// Floats of a cache line.
constexpr std::size_t line = 16;

float widened(float value) { return value; }

float widened(bfloat16 half) {
  const std::uint32_t bits = static_cast<std::uint32_t>(half) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

#ifdef __x86_64__
LOCKSTEP_AVX2 __m256 load(const float* from) { return _mm256_loadu_ps(from); }

LOCKSTEP_AVX2 __m256 load(const bfloat16* from) {
  const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

// Past the caches: a line that is only written to need not be read first.
LOCKSTEP_AVX2 void stream(float* out, __m256 value) { _mm256_stream_ps(out, value); }
LOCKSTEP_AVX2 void keep(float* out, __m256 value) { _mm256_storeu_ps(out, value); }
LOCKSTEP_AVX2 void drop(float*, __m256) {}
#endif

// What is computed, by element and by vector.
template <typename A, typename B>
struct Sum {
  const A* a;
  const B* b;
  float at(std::size_t i) const { return widened(a[i]) + widened(b[i]); }
#ifdef __x86_64__
  LOCKSTEP_AVX2 __m256 vector(std::size_t i) const { return _mm256_add_ps(load(a + i), load(b + i)); }
#endif
};

template <typename A>
struct Same {
  const A* a;
  float at(std::size_t i) const { return widened(a[i]); }
#ifdef __x86_64__
  LOCKSTEP_AVX2 __m256 vector(std::size_t i) const { return load(a + i); }
#endif
};

// A sum of squares, in eight parts that are added up in one order, whatever computed them.
struct Squares {
  double of[lanes] = {};
  void add(std::size_t i, float value) { of[i % lanes] += static_cast<double>(value) * value; }
  double total() const { return ((of[0] + of[1]) + (of[2] + of[3])) + ((of[4] + of[5]) + (of[6] + of[7])); }
};

// Elements [from, to) into `out`, if there is any; returns the sum of their squares.
template <typename Values>
double plain(float* out, const Values& values, std::size_t from, std::size_t to) {
  Squares squares;
  for (std::size_t i = from; i < to; ++i) {
    const float value = values.at(i);
    if (out != nullptr) out[i] = value;
    squares.add(i - from, value);
  }
  return squares.total();
}

// How many blocks are computed together.
constexpr std::size_t blocks = 4;

#ifdef __x86_64__
// The blocks from `from` on; `squares`, if there are any, get a sum for each. A cache line of each block in turn: a processor
// fetches ahead of several places at once, and memory is the limit, so the squares take no time, and AVX-512 would gain little.
template <typename Values, void (*store)(float*, __m256)>
LOCKSTEP_AVX2 void together(float* out, const Values& given, std::size_t from, std::size_t block, double* squares) {
  // What is written might be the pointers in `given`, for all that a compiler knows.
  const Values values = given;
  __m256d low[blocks];
  __m256d high[blocks];
#pragma GCC unroll 4
  for (std::size_t b = 0; b < blocks; ++b) low[b] = high[b] = _mm256_setzero_pd();
  for (std::size_t done = 0; done < block; done += line) {
#pragma GCC unroll 4
    for (std::size_t b = 0; b < blocks; ++b) {
#pragma GCC unroll 2
      for (std::size_t part = 0; part < line; part += lanes) {
        const std::size_t i = from + b * block + done + part;
        const __m256 vector = values.vector(i);
        store(out + i, vector);
        const __m256d first = _mm256_cvtps_pd(_mm256_castps256_ps128(vector));
        const __m256d second = _mm256_cvtps_pd(_mm256_extractf128_ps(vector, 1));
        low[b] = _mm256_add_pd(low[b], _mm256_mul_pd(first, first));
        high[b] = _mm256_add_pd(high[b], _mm256_mul_pd(second, second));
      }
    }
  }
#pragma GCC unroll 4
  for (std::size_t b = 0; b < blocks; ++b) {
    Squares sum;
    _mm256_storeu_pd(sum.of, low[b]);
    _mm256_storeu_pd(sum.of + lanes / 2, high[b]);
    if (squares != nullptr) squares[b] = sum.total();
  }
}

// As many blocks as can be computed together, past the caches where `others` says that nothing is read from `out`; returns
// how many elements that were.
template <typename Values>
std::size_t fast(float* out, const Values& values, bool others, std::size_t count, std::size_t block, double* squares) {
  if (!__builtin_cpu_supports("avx2") || block % line != 0) return 0;
  const bool streams = others && reinterpret_cast<std::uintptr_t>(out) % sizeof(__m256) == 0;
  const auto compute = out == nullptr ? together<Values, drop>
                       : streams      ? together<Values, stream>
                                      : together<Values, keep>;
  std::size_t from = 0;
  for (; from + blocks * block <= count; from += blocks * block) {
    compute(out, values, from, block, squares == nullptr ? nullptr : squares + from / block);
  }
  _mm_sfence();
  return from;
}
#else
template <typename Values>
std::size_t fast(float*, const Values&, bool, std::size_t, std::size_t, double*) {
  return 0;
}
#endif

template <typename Values>
void run(float* out, const Values& values, bool others, std::size_t count, std::size_t block, double* squares) {
  for (std::size_t from = fast(out, values, others, count, block, squares); from < count; from += block) {
    const double sum = plain(out, values, from, std::min(count, from + block));
    if (squares != nullptr) squares[from / block] = sum;
  }
}

template <typename A, typename B>
void add(float* out, const A* a, const B* b, std::size_t count, std::size_t block, double* squares) {
  const void* target = out;
  run(out, Sum<A, B>{a, b}, target != a && target != b, count, block, squares);
}

}  // namespace

// Each gives `squares`, if that is not null, the sum of the squares of every `block` results.
extern "C" {
// out[i] = a[i] + b[i] for i < count. `out` may be `a` or `b` where they are float32, and otherwise overlaps neither.
void lockstep_add(float* out, const float* a, const float* b, std::size_t count, std::size_t block, double* squares) {
  add(out, a, b, count, block, squares);
}

void lockstep_add_half(float* out, const float* a, const bfloat16* b, std::size_t count, std::size_t block,
                       double* squares) {
  add(out, a, b, count, block, squares);
}

void lockstep_add_halves(float* out, const bfloat16* a, const bfloat16* b, std::size_t count, std::size_t block,
                         double* squares) {
  add(out, a, b, count, block, squares);
}

// out[i] = values[i] for i < count, where they don't overlap; or only squares, where `out` is null.
void lockstep_set(float* out, const float* values, std::size_t count, std::size_t block, double* squares) {
  run(out, Same<float>{values}, true, count, block, squares);
}

void lockstep_widen(float* out, const bfloat16* halves, std::size_t count, std::size_t block, double* squares) {
  run(out, Same<bfloat16>{halves}, true, count, block, squares);
}
}
