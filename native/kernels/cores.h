// A CPU core for each of the threads that work in parallel.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>

#if defined(__linux__)
#include <sched.h>
#endif

namespace zoo {

// The cores that the threads of a run occupy.
//
// Linux may wake a thread on the core of the thread that wakes it and leave it waiting there for
// milliseconds, although another core is idle: on a machine with few cores that were busy a moment
// ago, it does not search for a free one. So threads move to free cores themselves. The set of
// cores that a thread is allowed to use is the same afterwards.
class Cores {
 public:
  // Occupy the core of this thread; move to a free one first if another thread occupies it.
  void occupy() {
#if defined(__linux__)
    std::lock_guard lock(mutex_);
    if (CPU_ISSET(sched_getcpu(), &occupied_)) move();
    CPU_SET(sched_getcpu(), &occupied_);
#endif
  }

  // Move to a free core, if there is one, and leave the present one to a thread that waits for it.
  void vacate() {
#if defined(__linux__)
    std::lock_guard lock(mutex_);
    const int core = sched_getcpu();
    if (!move()) return;
    CPU_CLR(core, &occupied_);
    CPU_SET(sched_getcpu(), &occupied_);
#endif
  }

 private:
#if defined(__linux__)
  // Setting the affinity moves the thread at once; then the former affinity is restored.
  bool move() const {
    cpu_set_t allowed, allowed_occupied, free;
    if (sched_getaffinity(0, sizeof allowed, &allowed)) return false;
    CPU_AND(&allowed_occupied, &allowed, &occupied_);
    CPU_XOR(&free, &allowed, &allowed_occupied);
    if (!CPU_COUNT(&free) || sched_setaffinity(0, sizeof free, &free)) return false;
    sched_setaffinity(0, sizeof allowed, &allowed);
    return true;
  }

  std::mutex mutex_;
  cpu_set_t occupied_ = {};
#endif
};

// Threads that were scheduled to help and may still wait for a core.
class Helpers {
 public:
  Helpers(std::shared_ptr<Cores> cores, long count) : cores_(std::move(cores)), missing_(count) {}

  // Called by each helper when it starts.
  void arrive() {
    --missing_;
    cores_->occupy();
  }

  // Called by the thread that scheduled them, between two pieces of its own work: a helper that has
  // not arrived may be waiting for this thread's core.
  void settle() {
    if (settled_) return;
    const bool late = std::chrono::steady_clock::now() - scheduled_ > DEADLINE;
    settled_ = late || missing_ <= 0;
    if (late && missing_ > 0) cores_->vacate();
  }

 private:
  // Longer than a sleeping core takes to wake.
  static constexpr std::chrono::microseconds DEADLINE{100};

  const std::shared_ptr<Cores> cores_;
  const std::chrono::steady_clock::time_point scheduled_ = std::chrono::steady_clock::now();
  std::atomic<long> missing_;
  bool settled_ = false;
};

}  // namespace zoo
