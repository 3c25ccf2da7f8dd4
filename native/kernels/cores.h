// A core for each of the threads that work together.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>

#if defined(__linux__)
#include <sched.h>
#endif

namespace zoo {

// Linux may wake a thread on the core of the one that wakes it, and leave it there behind
// that one for some milliseconds, while another core has nothing to do: if there are few and
// they were busy a moment ago, it looks for no other. These are the cores that threads have
// taken, and threads move to others. Which cores they may use is the same afterwards.
class Cores {
 public:
  // Take the core of this thread, or a free one if another thread has taken it.
  void take() {
#if defined(__linux__)
    std::lock_guard lock(mutex_);
    if (CPU_ISSET(sched_getcpu(), &taken_)) move();
    CPU_SET(sched_getcpu(), &taken_);
#endif
  }

  // Take a free core, if there is one, and leave the other to who waits for it.
  void leave() {
#if defined(__linux__)
    std::lock_guard lock(mutex_);
    const int core = sched_getcpu();
    if (!move()) return;
    CPU_CLR(core, &taken_);
    CPU_SET(sched_getcpu(), &taken_);
#endif
  }

 private:
#if defined(__linux__)
  bool move() const {
    cpu_set_t allowed, both, free;
    if (sched_getaffinity(0, sizeof allowed, &allowed)) return false;
    CPU_AND(&both, &allowed, &taken_);
    CPU_XOR(&free, &allowed, &both);
    if (!CPU_COUNT(&free) || sched_setaffinity(0, sizeof free, &free)) return false;
    sched_setaffinity(0, sizeof allowed, &allowed);
    return true;
  }

  std::mutex mutex_;
  cpu_set_t taken_ = {};
#endif
};

// Threads that were asked to help.
class Helpers {
 public:
  Helpers(std::shared_ptr<Cores> cores, long count) : cores_(std::move(cores)), missing_(count) {}

  // Called by each of them when it begins.
  void come() {
    --missing_;
    cores_->take();
  }

  // Called by the thread that asked, between two pieces of its work: a helper who does not
  // come may be waiting for its core.
  void settle() {
    if (settled_) return;
    const bool late = std::chrono::steady_clock::now() - asked_ > LATE;
    settled_ = late || missing_ <= 0;
    if (late && missing_ > 0) cores_->leave();
  }

 private:
  // A core that sleeps wakes sooner.
  static constexpr std::chrono::microseconds LATE{100};

  const std::shared_ptr<Cores> cores_;
  const std::chrono::steady_clock::time_point asked_ = std::chrono::steady_clock::now();
  std::atomic<long> missing_;
  bool settled_ = false;
};

}  // namespace zoo
