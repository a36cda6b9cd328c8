// Threads that share the parts of one operation. TensorFlow's own can't be asked for through its C API.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>

#include "denormals.h"

#ifdef __linux__
#include <pthread.h>
#endif

namespace lockstep {

// The caller and some helpers. It is never taken down: helpers wait for work until the process ends.
class Team {
 public:
  // As many threads as the system gives, if it has not so many.
  explicit Team(std::size_t threads) {
    try {
      for (; helpers_ + 1 < threads; helpers_++) std::thread([this] { help(); }).detach();
    } catch (const std::system_error&) {
    }
  }

  // Calls part(0) to part(parts − 1), each once and in any order, and returns when all are done. Which thread takes a part
  // must not matter, and a part must not throw. While another operation has the helpers, the caller does all.
  void run(std::size_t parts, const std::function<void(std::size_t)>& part) {
    std::unique_lock<std::mutex> has(one_, std::defer_lock);
    if (helpers_ == 0 || parts < 2 || !has.try_lock()) {
      for (std::size_t i = 0; i < parts; i++) part(i);
      return;
    }
    {
      std::lock_guard<std::mutex> lock(mutex_);
      part_ = &part;
      parts_ = parts;
      next_.store(0, std::memory_order_relaxed);
      job_++;
    }
    wake_.notify_all();
    take(part, parts);
    std::unique_lock<std::mutex> lock(mutex_);
    // Whoever comes later finds nothing.
    part_ = nullptr;
    done_.wait(lock, [this] { return busy_ == 0; });
  }

 private:
  void take(const std::function<void(std::size_t)>& part, std::size_t parts) noexcept {
    for (;;) {
      const std::size_t i = next_.fetch_add(1, std::memory_order_relaxed);
      if (i >= parts) return;
      part(i);
    }
  }

  void help() {
#ifdef __linux__
    // The name by which a coordinator finds the threads that compute.
    pthread_setname_np(pthread_self(), "tf_Compute");
#endif
    const FlushedDenormals flushed;
    std::size_t seen = 0;
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return job_ != seen; });
      seen = job_;
      if (part_ == nullptr) continue;
      const auto& part = *part_;
      const std::size_t parts = parts_;
      busy_++;
      lock.unlock();
      take(part, parts);
      lock.lock();
      if (--busy_ == 0) done_.notify_one();
    }
  }

  // Held by the operation that has the helpers.
  std::mutex one_;
  // Of all that follows.
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable done_;
  const std::function<void(std::size_t)>* part_ = nullptr;
  std::size_t parts_ = 0;
  std::size_t job_ = 0;
  std::size_t busy_ = 0;
  std::size_t helpers_ = 0;
  std::atomic<std::size_t> next_{0};
};

// That all operations share; made when they are registered.
inline Team* team = nullptr;

}  // namespace lockstep
