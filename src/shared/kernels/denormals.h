// How the processor treats numbers too small to be normal.
#pragma once

#include <cstdint>

#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace lockstep {

// Denormals are zeros, as TensorFlow has it in its own threads: whichever thread computes, the bits are the same.
class FlushedDenormals {
 public:
  FlushedDenormals() : before_(control()) { control(before_ | flush); }
  ~FlushedDenormals() { control(before_); }
  FlushedDenormals(const FlushedDenormals&) = delete;
  FlushedDenormals& operator=(const FlushedDenormals&) = delete;

 private:
#ifdef __x86_64__
  // MXCSR: flush to zero, and denormals are zeros.
  static constexpr std::uint64_t flush = 0x8040;
  static std::uint64_t control() { return _mm_getcsr(); }
  static void control(std::uint64_t value) { _mm_setcsr(static_cast<unsigned>(value)); }
#elif defined(__aarch64__)
  // FPCR: flush to zero.
  static constexpr std::uint64_t flush = 1 << 24;
  static std::uint64_t control() {
    std::uint64_t value;
    asm volatile("mrs %0, fpcr" : "=r"(value));
    return value;
  }
  static void control(std::uint64_t value) { asm volatile("msr fpcr, %0" ::"r"(value)); }
#else
  static constexpr std::uint64_t flush = 0;
  static std::uint64_t control() { return 0; }
  static void control(std::uint64_t) {}
#endif
  std::uint64_t before_;
};

}  // namespace lockstep
