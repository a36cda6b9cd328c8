// The arithmetic in which gradients are summed. Set-up compiles it to add.so, beside what add.ts becomes.
#include <cstddef>
#include <cstdint>
#include <cstring>

#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace {

// The upper half of a float32.
using bfloat16 = std::uint16_t;

float widened(float value) { return value; }

float widened(bfloat16 half) {
  const std::uint32_t bits = static_cast<std::uint32_t>(half) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

#ifdef __x86_64__
#define LOCKSTEP_AVX2 __attribute__((target("avx2")))

LOCKSTEP_AVX2 __m256 load(const float* from) { return _mm256_loadu_ps(from); }

LOCKSTEP_AVX2 __m256 load(const bfloat16* from) {
  const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

// Past the caches: a line that is only written to need not be read first.
LOCKSTEP_AVX2 void stream(float* out, __m256 value) { _mm256_stream_ps(out, value); }
LOCKSTEP_AVX2 void keep(float* out, __m256 value) { _mm256_storeu_ps(out, value); }

// These return how many were done: whole vectors. Memory is the limit, so AVX-512 would gain little.
template <void (*store)(float*, __m256), typename A, typename B>
LOCKSTEP_AVX2 std::size_t add_vectors(float* out, const A* a, const B* b, std::size_t count) {
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) store(out + i, _mm256_add_ps(load(a + i), load(b + i)));
  return i;
}

template <void (*store)(float*, __m256)>
LOCKSTEP_AVX2 std::size_t widen_vectors(float* out, const bfloat16* halves, std::size_t count) {
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) store(out + i, load(halves + i));
  return i;
}

bool has_avx2() { return __builtin_cpu_supports("avx2"); }

bool streams_to(const float* out) { return reinterpret_cast<std::uintptr_t>(out) % sizeof(__m256) == 0; }

template <typename A, typename B>
std::size_t add_fast(float* out, const A* a, const B* b, std::size_t count) {
  if (!has_avx2()) return 0;
  const void* target = out;
  if (target == a || target == b || !streams_to(out)) return add_vectors<keep>(out, a, b, count);
  const std::size_t added = add_vectors<stream>(out, a, b, count);
  _mm_sfence();
  return added;
}

std::size_t widen_fast(float* out, const bfloat16* halves, std::size_t count) {
  if (!has_avx2()) return 0;
  if (!streams_to(out)) return widen_vectors<keep>(out, halves, count);
  const std::size_t widened = widen_vectors<stream>(out, halves, count);
  _mm_sfence();
  return widened;
}
#else
template <typename A, typename B>
std::size_t add_fast(float*, const A*, const B*, std::size_t) {
  return 0;
}

std::size_t widen_fast(float*, const bfloat16*, std::size_t) { return 0; }
#endif

template <typename A, typename B>
void add(float* out, const A* a, const B* b, std::size_t count) {
  for (std::size_t i = add_fast(out, a, b, count); i < count; ++i) out[i] = widened(a[i]) + widened(b[i]);
}

}  // namespace

// out[i] = a[i] + b[i] for i < count. `out` may be `a` or `b` where they are float32, and otherwise overlaps neither.
extern "C" {
void lockstep_add(float* out, const float* a, const float* b, std::size_t count) { add(out, a, b, count); }

void lockstep_add_half(float* out, const float* a, const bfloat16* b, std::size_t count) { add(out, a, b, count); }

void lockstep_add_halves(float* out, const bfloat16* a, const bfloat16* b, std::size_t count) {
  add(out, a, b, count);
}

// out[i] = halves[i] for i < count, where they don't overlap.
void lockstep_widen(float* out, const bfloat16* halves, std::size_t count) {
  for (std::size_t i = widen_fast(out, halves, count); i < count; ++i) out[i] = widened(halves[i]);
}
}
