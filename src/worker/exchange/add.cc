// The addition in which gradients are summed. Set-up compiles it to add.so, beside what add.ts becomes.
#include <cstddef>
#include <cstdint>

#ifdef __x86_64__
#include <immintrin.h>

namespace {

// Past the caches: a line that is only written to need not be read first.
__attribute__((target("avx"))) void stream(float* out, __m256 sum) { _mm256_stream_ps(out, sum); }
__attribute__((target("avx"))) void keep(float* out, __m256 sum) { _mm256_storeu_ps(out, sum); }

// Returns how many were added: whole vectors. Memory is the limit, so AVX-512 would gain little.
template <void (*store)(float*, __m256)>
__attribute__((target("avx"))) std::size_t add_vectors(float* out, const float* a, const float* b,
                                                       std::size_t count) {
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) store(out + i, _mm256_add_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i)));
  return i;
}

std::size_t add_fast(float* out, const float* a, const float* b, std::size_t count) {
  if (!__builtin_cpu_supports("avx")) return 0;
  const bool aligned = reinterpret_cast<std::uintptr_t>(out) % sizeof(__m256) == 0;
  if (out == a || out == b || !aligned) return add_vectors<keep>(out, a, b, count);
  const std::size_t added = add_vectors<stream>(out, a, b, count);
  _mm_sfence();
  return added;
}

}  // namespace
#endif

// out[i] = a[i] + b[i] for i < count. `out` may be `a` or `b`, and otherwise overlaps neither.
extern "C" void lockstep_add(float* out, const float* a, const float* b, std::size_t count) {
  std::size_t i = 0;
#ifdef __x86_64__
  i = add_fast(out, a, b, count);
#endif
  for (; i < count; ++i) out[i] = a[i] + b[i];
}
