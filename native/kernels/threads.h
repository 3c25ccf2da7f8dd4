// Work for several threads, some of which may never come.
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

// Threads that belong to another. Who asks works too and waits for nothing but work that
// has begun: if all threads are busy, it does everything itself, so that calls that run at
// the same time cannot block each other.
class Pool {
 public:
  virtual ~Pool() = default;
  virtual long threads() const = 0;
  virtual void schedule(std::function<void()> task) = 0;

  // body(0), ..., body(count - 1), some of them at the same time.
  void run(long count, const std::function<void(long)>& body) {
    // A thread may come when all is done and the caller gone: it finds nothing to take, and
    // looks at nothing but this.
    struct Shared {
      Shared(std::shared_ptr<Cores> cores, long count) : helpers(std::move(cores), count) {}
      Helpers helpers;
      std::atomic<long> next = 0;
      long done = 0;
      std::exception_ptr failed;
      std::mutex mutex;
      std::condition_variable finished;
    };
    const long helpers = std::min(count, threads()) - 1;
    cores_ = std::make_shared<Cores>();
    cores_->take();
    auto shared = std::make_shared<Shared>(cores_, helpers);
    auto work = [shared, count, &body] {
      for (long i; (i = shared->next++) < count;) {
        std::exception_ptr failed;
        try {
          body(i);
        } catch (...) {
          failed = std::current_exception();
        }
        std::lock_guard lock(shared->mutex);
        if (failed) shared->failed = failed;
        if (++shared->done == count) shared->finished.notify_all();
      }
    };
    for (long i = 0; i < helpers; ++i)
      schedule([shared, work, count] {
        if (shared->next >= count) return;
        shared->helpers.come();
        work();
      });
    helpers_ = &shared->helpers;
    work();
    helpers_ = nullptr;
    std::unique_lock lock(shared->mutex);
    shared->finished.wait(lock, [&] { return shared->done == count; });
    if (shared->failed) std::rethrow_exception(shared->failed);
  }

  // To be called now and then by a body that takes long.
  void settle() {
    if (std::this_thread::get_id() == asking_ && helpers_) helpers_->settle();
  }

  // Of the threads of this run.
  const std::shared_ptr<Cores>& cores() const { return cores_; }

 private:
  const std::thread::id asking_ = std::this_thread::get_id();
  std::shared_ptr<Cores> cores_;
  Helpers* helpers_ = nullptr;  // of this run, for the thread that asks
};

// A leader and those who have joined it, for many small pieces of work one after the
// other, such as the columns of one step. Followers watch for the next piece without
// sleeping, since a step takes microseconds; the leader shares only with who is there.
class Team {
 public:
  Team(Pool& pool, long followers) : state_(std::make_shared<State>(pool.cores(), followers)) {
    for (long i = 0; i < followers; ++i) pool.schedule([state = state_] { follow(*state); });
  }
  ~Team() {
    // Who comes later finds the team dissolved.
    state_->turn.store(-1, std::memory_order_release);
  }
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  // body(0), ..., body(count - 1). It must not throw.
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
    state.turn.store(++turns_ * MOST + members, std::memory_order_release);
    share(state, 0, members);
    wait([&] { return state.done.load(std::memory_order_acquire) == members - 1; });
  }

 private:
  static constexpr long MOST = 1 << 16;

  struct State {
    State(std::shared_ptr<Cores> cores, long count) : followers(std::move(cores), count) {}
    Helpers followers;
    std::atomic<long> joined = 0;
    // The number of a piece of work times MOST, and how many share it; -1: no more comes.
    // In one number, since a follower that is not among them may look at nothing else.
    std::atomic<long> turn = 0;
    std::atomic<long> done = 0;
    long count;
    const void* body;
    void (*call)(const void*, long);
  };

  static void follow(State& state) {
    if (state.turn.load(std::memory_order_acquire) == -1) return;
    state.followers.come();
    const long own = 1 + state.joined.fetch_add(1, std::memory_order_acq_rel);
    for (long seen = 0;;) {
      long turn = seen;
      wait([&] { return (turn = state.turn.load(std::memory_order_acquire)) != seen; });
      if (turn == -1) return;
      seen = turn;
      const long members = turn % MOST;
      if (own >= members) continue;
      share(state, own, members);
      state.done.fetch_add(1, std::memory_order_acq_rel);
    }
  }

  static void share(const State& state, long own, long members) {
    const long end = state.count * (own + 1) / members;
    for (long i = state.count * own / members; i < end; ++i) state.call(state.body, i);
  }

  template <class Condition>
  static void wait(const Condition& condition) {
    for (long tries = 1; !condition(); ++tries) {
#if defined(__x86_64__)
      __builtin_ia32_pause();
#endif
      // The other thread may have lost its core, or share this one: soon, for that may be
      // so at every step.
      if (tries % 64 == 0) std::this_thread::yield();
    }
  }

  std::shared_ptr<State> state_;
  long turns_ = 0;
};

}  // namespace zoo
