// Parallel loops on the threads of XLA, some of which may never become available.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "cores.h"

namespace zoo {

// A thread pool that belongs to someone else. The calling thread works too, and waits only for work
// that has started: if all threads are busy it does everything itself. So concurrent calls cannot
// block each other.
class Pool {
 public:
  virtual ~Pool() = default;
  virtual long threads() const = 0;
  virtual void schedule(std::function<void()> task) = 0;

  // Call body(0), ..., body(count - 1), in parallel.
  void run(long count, const std::function<void(long)>& body) {
    // Shared ownership: a thread may start after the caller has returned. It then finds no work
    // left, and must not read anything else.
    struct Shared {
      Shared(std::shared_ptr<Cores> cores, long count) : helpers(std::move(cores), count) {}
      Helpers helpers;
      std::atomic<long> next = 0;
      long done = 0;
      std::exception_ptr error;
      std::mutex mutex;
      std::condition_variable finished;
    };
    const long helpers = std::min(count, threads()) - 1;
    cores_ = std::make_shared<Cores>();
    cores_->occupy();
    auto shared = std::make_shared<Shared>(cores_, helpers);
    auto work = [shared, count, &body] {
      for (long i; (i = shared->next++) < count;) {
        std::exception_ptr error;
        try {
          body(i);
        } catch (...) {
          error = std::current_exception();
        }
        std::lock_guard lock(shared->mutex);
        if (error) shared->error = error;
        if (++shared->done == count) shared->finished.notify_all();
      }
    };
    for (long i = 0; i < helpers; ++i)
      schedule([shared, work, count] {
        if (shared->next >= count) return;
        shared->helpers.arrive();
        work();
      });
    helpers_ = &shared->helpers;
    work();
    helpers_ = nullptr;
    std::unique_lock lock(shared->mutex);
    shared->finished.wait(lock, [&] { return shared->done == count; });
    if (shared->error) std::rethrow_exception(shared->error);
  }

  // A long body calls this between its pieces of work.
  void settle() {
    if (std::this_thread::get_id() == caller_ && helpers_) helpers_->settle();
  }

  // The cores of the present run.
  const std::shared_ptr<Cores>& cores() const { return cores_; }

 private:
  const std::thread::id caller_ = std::this_thread::get_id();
  std::shared_ptr<Cores> cores_;
  Helpers* helpers_ = nullptr;  // of the present run, for the calling thread
};

// A leader and its followers, for a sequence of short parallel loops, such as those over the
// columns of one step. A step takes microseconds, so followers spin until the next loop. The leader
// divides a loop only among the followers that have joined.
class Team {
 public:
  Team(Pool& pool, long followers) : state_(std::make_shared<State>(pool.cores(), followers)) {
    for (long i = 0; i < followers; ++i) pool.schedule([state = state_] { follow(*state); });
  }
  ~Team() {
    // A follower that starts later finds the team dissolved.
    state_->loop.store(DISSOLVED, std::memory_order_release);
  }
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  // Call body(0), ..., body(count - 1), which must not throw.
  template <class Body>
  void run(long count, const Body& body) {
    State& state = *state_;
    state.followers.settle();
    const long members = 1 + state.joined.load(std::memory_order_acquire);
    if (members == 1) {
      for (long i = 0; i < count; ++i) body(i);
      return;
    }
    state.count = count;
    state.body = &body;
    state.call = [](const void* body, long i) { (*static_cast<const Body*>(body))(i); };
    state.done.store(0, std::memory_order_relaxed);
    state.loop.store(++loops_ * MAX_MEMBERS + members, std::memory_order_release);
    run_part(state, 0, members);
    wait([&] { return state.done.load(std::memory_order_acquire) == members - 1; });
  }

 private:
  static constexpr long MAX_MEMBERS = 1 << 16;
  enum : long { DISSOLVED = -1 };

  struct State {
    State(std::shared_ptr<Cores> cores, long count) : followers(std::move(cores), count) {}
    Helpers followers;
    std::atomic<long> joined = 0;
    // The number of the loop times MAX_MEMBERS, plus how many members divide it; or DISSOLVED.
    // One atomic number, because a follower that is not a member of the loop may read nothing else.
    std::atomic<long> loop = 0;
    std::atomic<long> done = 0;
    long count;
    const void* body;
    void (*call)(const void*, long);
  };

  static void follow(State& state) {
    if (state.loop.load(std::memory_order_acquire) == DISSOLVED) return;
    state.followers.arrive();
    const long own = 1 + state.joined.fetch_add(1, std::memory_order_acq_rel);
    for (long seen = 0;;) {
      long loop = seen;
      wait([&] { return (loop = state.loop.load(std::memory_order_acquire)) != seen; });
      if (loop == DISSOLVED) return;
      seen = loop;
      const long members = loop % MAX_MEMBERS;
      if (own >= members) continue;
      run_part(state, own, members);
      state.done.fetch_add(1, std::memory_order_acq_rel);
    }
  }

  static void run_part(const State& state, long own, long members) {
    const long end = state.count * (own + 1) / members;
    for (long i = state.count * own / members; i < end; ++i) state.call(state.body, i);
  }

  template <class Condition>
  static void wait(const Condition& condition) {
    for (long tries = 1; !condition(); ++tries) {
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
      // The other thread may have been preempted, or share this core. Yield soon, since that may
      // happen at every step.
      if (tries % 64 == 0) std::this_thread::yield();
    }
  }

  std::shared_ptr<State> state_;
  long loops_ = 0;
};

}  // namespace zoo
