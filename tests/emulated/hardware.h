// An emulation of native/gpu/hardware.h on a CPU.
//
// The threads run on the machine of machine.h. Shared memory starts as NaN. So the kernels run
// unchanged, with their barriers, and a missing synchronisation shows in the results.
#pragma once

#include "machine.h"

namespace zoo {

inline Thread& self() { return *Machine::present()->now; }
inline Block& own_block() { return Machine::present()->blocks[self().block]; }

inline int thread_index() { return self().index; }
inline int cluster_rank() { return self().block; }
inline int cluster_size() { return Machine::present()->blocks.size(); }
inline int block_index() { return Machine::present()->cluster * cluster_size() + cluster_rank(); }
inline int layer_index() { return Machine::present()->layer; }

inline char* shared_memory() { return reinterpret_cast<char*>(own_block().memory.data()); }

inline uint32_t shared_address(const void* at) {
  return uint32_t(cluster_rank()) << 24 | uint32_t(static_cast<const char*>(at) - shared_memory());
}

inline uint32_t address_in(int rank, uint32_t address) {
  return (address & 0xffffff) | uint32_t(rank) << 24;
}

inline void synchronise_cluster() {
  Machine* machine = Machine::present();
  machine->synchronise_on(machine->cluster_barrier, machine->threads.size());
}
inline void synchronise_block() {
  Machine::present()->synchronise_on(own_block().all, Machine::present()->threads_of_block);
}
inline void synchronise_warp() {
  Machine::present()->synchronise_on(own_block().warps[thread_index() / 32], 32);
}
inline void synchronise_threads(int threads) {
  Machine::present()->synchronise_on(own_block().some, threads);
}

inline ByteBarrier& byte_barrier(uint32_t barrier) {
  return Machine::present()->byte_barriers[barrier];
}
inline void barrier_init(uint32_t barrier) { byte_barrier(barrier) = {}; }
inline void barrier_publish() {}
inline void barrier_expect(uint32_t barrier, uint32_t bytes) {
  ByteBarrier& one = byte_barrier(barrier);
  --one.arrivals;
  one.bytes += bytes;
  one.check();
}
inline void barrier_wait(uint32_t barrier, uint32_t odd) {
  ByteBarrier& one = byte_barrier(barrier);
  Machine::present()->wait([&one, odd] { return (one.phases & 1) != odd; });
}

inline void fence_for_copies() {}
inline void send(uint32_t to, uint32_t from, uint32_t bytes, uint32_t barrier) {
  Machine* machine = Machine::present();
  if (to % 16 || from % 16 || bytes % 16) machine->error = "what is sent is not of 16 bytes each";
  ++self().pending;
  machine->copies.push_back({to, from, bytes, barrier, &self().pending});
}
inline void wait_for_sends() {
  const int& pending = self().pending;
  Machine::present()->wait([&pending] { return !pending; });
}

inline void atomic_min(int* to, int value) { *to = std::min(*to, value); }
inline void atomic_max(int* to, int value) { *to = std::max(*to, value); }

inline float sigmoid(float x) { return 1 / (1 + std::exp(-x)); }

inline float as_float(uint32_t bits) {
  float v;
  std::memcpy(&v, &bits, sizeof v);
  return v;
}
inline uint32_t as_bits(float v) {
  uint32_t bits;
  std::memcpy(&bits, &v, sizeof bits);
  return bits;
}

inline float round_to_tf32(float v) {
  return std::isfinite(v) ? as_float((as_bits(v) + 0x1000) & ~0x1fffu) : v;
}

inline uint32_t round_to_bfloat16(float first, float second) {
  auto one = [](float v) -> uint32_t {
    const uint32_t bits = as_bits(v);
    if (std::isnan(v)) return 0x7fff;
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  };
  return one(first) | one(second) << 16;
}

// float16 has a sign, 5 bits of exponent and 10 of mantissa; below 2^-14 it is fixed-point.
inline uint32_t round_to_float16(float first, float second) {
  auto one = [](float v) -> uint32_t {
    const uint32_t sign = std::signbit(v) ? 0x8000 : 0;
    if (!std::isfinite(v)) return sign | (std::isnan(v) ? 0x7e00 : 0x7c00);
    const float size = std::min(std::fabs(v), 65504.0f);
    const int exponent = size < 0x1p-14f ? -14 : std::ilogb(size);
    // With the implicit bit, which carries into the exponent, as does rounding up.
    const uint32_t digits = std::nearbyint(std::ldexp(size, 10 - exponent));
    return sign | ((exponent + 14) * 1024 + digits);
  };
  return one(first) | one(second) << 16;
}

inline float float16_as_float(uint32_t bits) {
  const uint32_t digits = bits & 0x3ff, exponent = bits >> 10 & 0x1f;
  float size = std::ldexp(float(digits), -24);
  if (exponent == 0x1f)
    size = digits ? NAN : INFINITY;
  else if (exponent)
    size = std::ldexp(float(digits + 1024), int(exponent) - 25);
  return bits & 0x8000 ? -size : size;
}

// entry(word, k) returns number k of a word. A row of a and a vector of b have `count` numbers,
// distributed over four lanes.
template <class Entry>
void multiply(float (&sum)[4], const uint32_t* a, uint32_t b0, uint32_t b1, int count,
              const Entry& entry) {
  const int lane = thread_index() % 32, turn = self().products++ % 2;
  WarpOperands& operands = own_block().operands[thread_index() / 32];
  std::copy_n(a, 4, operands.a[turn][lane]);
  operands.b[turn][lane][0] = b0, operands.b[turn][lane][1] = b1;
  synchronise_warp();
  for (int of = 0; of < 4; ++of) {
    const int row = lane / 4, vector = lane % 4 * 2 + of % 2, half = of / 2;
    for (int k = 0; k < count; ++k) {
      const int per = count / 8, place = k / per;  // numbers of a word, and the word's place
      const int from = place % 4, second = place / 4;
      const uint32_t word = operands.a[turn][row * 4 + from][2 * second + half];
      sum[of] += entry(word, k % per) * entry(operands.b[turn][vector * 4 + from][second], k % per);
    }
  }
}

inline void multiply_tf32(float (&sum)[4], const uint32_t* a, uint32_t b0, uint32_t b1) {
  multiply(sum, a, b0, b1, 8, [](uint32_t word, int) { return as_float(word & ~0x1fffu); });
}

inline void multiply_bfloat16(float (&sum)[4], const uint32_t* a, uint32_t b0, uint32_t b1) {
  multiply(sum, a, b0, b1, 16, [](uint32_t word, int k) { return as_float(word >> 16 * k << 16); });
}

inline void multiply_float16(float (&sum)[4], const uint32_t* a, uint32_t b0, uint32_t b1) {
  multiply(sum, a, b0, b1, 16,
           [](uint32_t word, int k) { return float16_as_float(word >> 16 * k & 0xffff); });
}

// What follows is called on the host.

using Stream = xla::ffi::ThreadPool;
using CallStream = Stream;

struct Launch {
  const void* kernel = nullptr;
  int cluster = 0, threads = 0, bytes = 0;
  int clusters = 0, layers = 0;
};

inline std::map<const void*, std::function<void(const void*)>>& kernels() {
  static std::map<const void*, std::function<void(const void*)>> known;
  return known;
}

template <class Arguments>
const void* kernel_address(void (*kernel)(Arguments)) {
  const void* address = reinterpret_cast<const void*>(kernel);
  kernels()[address] = [kernel](const void* given) {
    kernel(*static_cast<const Arguments*>(given));
  };
  return address;
}

inline int max_shared_memory() { return 227 << 10; }

// Few, so that tests have batches which need more.
inline int concurrent_clusters(const Launch&) { return 2; }

inline const char* launch(const Launch& how, void* arguments, const Stream&) {
  for (int layer = 0; layer < how.layers; ++layer)
    for (int cluster = 0; cluster < how.clusters; ++cluster) {
      Machine machine;
      machine.cluster = cluster, machine.layer = layer, machine.threads_of_block = how.threads;
      machine.blocks = std::vector<Block>(how.cluster);
      machine.threads = std::vector<Thread>(how.cluster * how.threads);
      machine.kernel = [&] { kernels()[how.kernel](arguments); };
      if (const char* error = machine.run(how.bytes)) return error;
    }
  return nullptr;
}

inline const char* copy(void* to, const void* from, size_t bytes, const Stream&) {
  std::memcpy(to, from, bytes);
  return nullptr;
}

}  // namespace zoo
