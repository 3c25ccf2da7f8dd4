// How the blocks of a cluster exchange data.
//
// A barrier of the receiver counts the bytes that arrive. The receiver waits for the number of
// bytes it expects, and nobody waits for anything else. Receive buffers are double: one for even
// exchanges, one for odd ones. A block sends for the next exchange when it has received everything
// of this one, at which time all others have read what the buffer held before.
#pragma once

#include <hardware.h>

namespace zoo {

constexpr int WARPS = 16, THREADS = 32 * WARPS;
static_assert(THREADS <= 1024, "the limit of a block");
constexpr int MAX_BLOCKS = 16;  // in a cluster

// Two barriers, for even and for odd exchanges. Exchange 0 receives nothing.
class Arrivals {
 public:
  // Shared memory, at its start.
  static constexpr int BYTES = 16;

  // All threads of all blocks call this, before anything is sent.
  __device__ Arrivals(void* shared, uint32_t bytes)
      : barriers_(shared_address(shared)), bytes_(bytes) {
    if (thread_index() == 0) {
      for (int step = 0; step < 2; ++step) barrier_init(barrier(step));
      barrier_publish();
      for (int step = 0; step < 2; ++step) barrier_expect(barrier(step), bytes_);
    }
    fence_for_copies();
    synchronise_cluster();
  }

  // Return the address of the barrier of an exchange.
  __device__ uint32_t barrier(int step) const { return barriers_ + 8 * (step & 1); }

  // Wait for everything that is sent in an exchange, from 1 on, once each. Thread 0 must be among
  // the threads that wait.
  __device__ void wait(int step) const {
    barrier_wait(barrier(step), (step - 1) >> 1 & 1);
    if (thread_index() == 0)
      barrier_expect(barrier(step), bytes_);  // for the exchange after the next
  }

 private:
  uint32_t barriers_, bytes_;
};

}  // namespace zoo
