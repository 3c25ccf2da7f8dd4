// What the blocks of threads of a cluster send each other.
//
// What is sent is counted by a barrier of the receiver, which waits for as many bytes as it is to
// get: nobody waits for anybody else. Of all that is received there are two copies, for the odd
// and the even steps. A block sends what belongs to the next step when it has got all that belongs
// to this one, and so when all others have read what came before.
#pragma once

#include <hardware.h>

namespace zoo {

constexpr int WARPS = 16, THREADS = 32 * WARPS;
constexpr int MOST_BLOCKS = 16;  // of a cluster

// Two barriers, of what is received for the even and for the odd steps. Step 0 receives nothing.
class Arrivals {
 public:
  // Of shared memory, to begin with.
  static constexpr int BYTES = 16;

  // All threads of all blocks call this, before anything is sent.
  __device__ Arrivals(void* shared, uint32_t bytes)
      : barriers_(shared_address(shared)), bytes_(bytes) {
    if (thread_index() == 0) {
      for (int step = 0; step < 2; ++step) barrier_begin(of(step));
      barrier_publish();
      for (int step = 0; step < 2; ++step) barrier_expect(of(step), bytes_);
    }
    show_to_copies();
    synchronise_cluster();
  }

  // The address of the barrier of a step.
  __device__ uint32_t of(int step) const { return barriers_ + 8 * (step & 1); }

  // Wait for all that is sent for a step, from 1 on, each once. Thread 0 must be among those
  // that wait.
  __device__ void wait(int step) const {
    barrier_wait(of(step), (step - 1) >> 1 & 1);
    if (thread_index() == 0) barrier_expect(of(step), bytes_);  // for the step after the next
  }

 private:
  uint32_t barriers_, bytes_;
};

}  // namespace zoo
