// The emulated machine: clusters of blocks of threads, which take turns.
//
// Each thread runs until it has to wait for others; the order is random and new in each round. What
// they send arrives after a random delay.
#pragma once

#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "xla/ffi/api/ffi.h"

#define __device__
#define __host__
#define __global__
#define __launch_bounds__(...)

struct alignas(16) uint4 {
  uint32_t x, y, z, w;
};
struct alignas(8) uint2 {
  uint32_t x, y;
};

namespace zoo {

using std::min;

// A barrier of threads, which may be used repeatedly.
struct ThreadBarrier {
  int arrived = 0;
  long phases = 0;
};

// A barrier of one thread and a number of bytes.
struct ByteBarrier {
  int arrivals = 1;
  long bytes = 0, phases = 0;

  void check() {
    if (arrivals || bytes) return;
    arrivals = 1;
    ++phases;
  }
};

struct Copy {
  uint32_t to, from, bytes, barrier;
  int* pending;  // of the thread that sent it
};

// The operands that the lanes of a warp bring to a collective instruction. Double, since a lane may
// start the next instruction before all have read the operands of this one.
struct WarpOperands {
  uint32_t a[2][32][4], b[2][32][2];
};

struct Thread {
  ucontext_t context;
  std::unique_ptr<char[]> stack;
  int block, index, products = 0, pending = 0;
  bool finished = false;
  std::function<bool()> can_continue;
};

struct Block {
  std::vector<uint4> memory;
  ThreadBarrier all, some, warps[32];
  WarpOperands operands[32];
};

struct Machine {
  static constexpr size_t STACK = 64 << 10;
  int cluster, layer, threads_of_block;
  std::vector<Block> blocks;
  std::vector<Thread> threads;
  std::map<uint32_t, ByteBarrier> byte_barriers;
  std::vector<Copy> copies;
  ThreadBarrier cluster_barrier;
  std::function<void()> kernel;
  std::mt19937 draw{7};
  ucontext_t scheduler;
  Thread* now = nullptr;
  const char* error = nullptr;

  static Machine*& present() {
    static thread_local Machine* machine = nullptr;
    return machine;
  }

  char* at(uint32_t address) {
    return reinterpret_cast<char*>(blocks[address >> 24].memory.data()) + (address & 0xffffff);
  }

  void wait(std::function<bool()> until) {
    if (until()) return;
    now->can_continue = std::move(until);
    swapcontext(&now->context, &scheduler);
  }

  void synchronise_on(ThreadBarrier& barrier, int count) {
    const long phase = barrier.phases;
    if (++barrier.arrived == count) {
      barrier.arrived = 0;
      ++barrier.phases;
    }
    wait([&barrier, phase] { return barrier.phases > phase; });
  }

  static void begin() {
    Machine* machine = present();
    machine->kernel();
    machine->now->finished = true;
    swapcontext(&machine->now->context, &machine->scheduler);
  }

  // Return an error message, or null.
  const char* run(size_t bytes) {
    for (Block& block : blocks)
      block.memory.assign(bytes / sizeof(uint4) + 1, {~0u, ~0u, ~0u, ~0u});
    std::vector<Thread*> order;
    for (size_t i = 0; i < threads.size(); ++i) {
      Thread& thread = threads[i];
      thread.block = i / threads_of_block, thread.index = i % threads_of_block;
      thread.stack.reset(new char[STACK]);
      getcontext(&thread.context);
      thread.context.uc_stack.ss_sp = thread.stack.get();
      thread.context.uc_stack.ss_size = STACK;
      thread.context.uc_link = nullptr;
      makecontext(&thread.context, begin, 0);
      order.push_back(&thread);
    }
    Machine* const outer = present();
    present() = this;
    while (!order.empty() && !error) {
      std::shuffle(order.begin(), order.end(), draw);
      bool moved = false;
      for (Thread* thread : order) {
        if (thread->can_continue && !thread->can_continue()) continue;
        thread->can_continue = nullptr;
        now = thread;
        swapcontext(&scheduler, &thread->context);
        moved = true;
      }
      std::erase_if(order, [](Thread* thread) { return thread->finished; });
      std::vector<Copy> later;
      for (const Copy& copy : std::exchange(copies, {}))
        if (moved && draw() % 2)
          later.push_back(copy);
        else
          deliver(copy), moved = true;
      copies.insert(copies.end(), later.begin(), later.end());
      if (!moved) error = "deadlock: all threads wait";
    }
    if (!error && !copies.empty()) error = "something was sent that nobody waited for";
    present() = outer;
    return error;
  }

  void deliver(const Copy& copy) {
    std::memcpy(at(copy.to), at(copy.from), copy.bytes);
    ByteBarrier& byte_barrier = byte_barriers[copy.barrier];
    byte_barrier.bytes -= copy.bytes;
    byte_barrier.check();
    --*copy.pending;
  }
};

}  // namespace zoo
