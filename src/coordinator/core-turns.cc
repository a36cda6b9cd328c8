// The turns of core-turns.ts. Set-up compiles this to core-turns.so, beside what core-turns.ts becomes.
#include <sched.h>
#include <time.h>

#include <cstddef>
#include <cstdint>

// So many turns, or until *stop: in turn t thread i may run on the cores of masks[(places[i] + t) % workers] only, a mask of
// mask_bytes. Threads that have ended stay so.
extern "C" void lockstep_turn_cores(const std::int32_t* threads, const std::int32_t* places, std::size_t count,
                                    const std::uint8_t* masks, std::size_t mask_bytes, std::size_t workers,
                                    std::uint32_t first, std::uint32_t turns, std::uint32_t milliseconds,
                                    const std::uint32_t* stop) {
  for (std::uint32_t turn = first; turn != first + turns && !__atomic_load_n(stop, __ATOMIC_RELAXED); ++turn) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t block = (static_cast<std::size_t>(places[i]) + turn) % workers;
      sched_setaffinity(threads[i], mask_bytes, reinterpret_cast<const cpu_set_t*>(masks + block * mask_bytes));
    }
    const timespec pause{0, static_cast<long>(milliseconds) * 1'000'000};
    nanosleep(&pause, nullptr);
  }
}
