// TensorFlow operations of Lockstep's own, for CPUs. Set-up compiles this to kernels.so, beside what kernels.ts becomes.
#include <cstdint>
#include <exception>
#include <string>

#include "batch-norm-kernels.h"
#include "momentum-kernel.h"

// Makes the operations known to the TensorFlow at `path`, which the process has loaded; one of them runs on so many threads.
// Returns what went wrong, or null. To be called once.
extern "C" const char* lockstep_register_kernels(const char* path, std::uint32_t threads) {
  using namespace lockstep;
  static std::string problem;
  void* library = dlopen(path, RTLD_LAZY | RTLD_NOLOAD);
  if (library == nullptr) {
    problem = std::string(path) + " is not loaded";
    return problem.c_str();
  }
  if (const char* missing = findTensorFlow(library)) {
    problem = std::string(path) + " has no " + missing;
    return problem.c_str();
  }
  try {
    team = new Team(threads);
    registerBatchNorm();
    registerMomentum();
  } catch (const std::exception& error) {
    problem = error.what();
    return problem.c_str();
  }
  return nullptr;
}
