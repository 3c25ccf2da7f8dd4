// What only the machine can do: NVIDIA's, from compute capability 9.0 on.
//
// Tests have another file of this name, which does the same by programs on a CPU.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <tuple>

#include "xla/ffi/api/ffi.h"

namespace zoo {

__device__ inline int thread_index() { return threadIdx.x; }
__device__ inline int block_index() { return blockIdx.x; }
__device__ inline int layer_index() { return blockIdx.y; }

// Number of this block in its cluster, and how many there are.
__device__ inline int cluster_rank() {
  int rank;
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}

__device__ inline int cluster_size() {
  int size;
  asm("mov.u32 %0, %%cluster_nctarank;" : "=r"(size));
  return size;
}

// The shared memory of this block.
__device__ inline char* shared_memory() {
  extern __shared__ uint4 memory[];
  return reinterpret_cast<char*>(memory);
}

__device__ inline uint32_t shared_address(const void* at) { return __cvta_generic_to_shared(at); }

// The address of the same thing in another block of the cluster.
__device__ inline uint32_t address_in(int rank, uint32_t address) {
  uint32_t there;
  asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(address), "r"(rank));
  return there;
}

__device__ inline void synchronise_cluster() {
  asm volatile(
      "barrier.cluster.arrive.release;\n"
      "barrier.cluster.wait.acquire;" ::
          : "memory");
}

__device__ inline void synchronise_block() { __syncthreads(); }

__device__ inline void synchronise_warp() { __syncwarp(); }

// Of the first so many threads, whole warps.
__device__ inline void synchronise(int threads) {
  asm volatile("bar.sync 1, %0;" ::"r"(threads) : "memory");
}

// A barrier of bytes that are sent. It goes from phase to phase, each time when as many have come
// as were expected.
__device__ inline void barrier_begin(uint32_t barrier) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(barrier) : "memory");
}

// Show barriers that were begun to the other blocks, which synchronise afterwards.
__device__ inline void barrier_publish() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

__device__ inline void barrier_expect(uint32_t barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes)
               : "memory");
}

// Wait for the end of a phase, an even or an odd one.
__device__ inline void barrier_wait(uint32_t barrier, uint32_t odd) {
  uint32_t over = 0;
  while (!over)
    asm volatile(
        "{\n"
        ".reg .pred p;\n"
        "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
        "selp.u32 %0, 1, 0, p;\n"
        "}"
        : "=r"(over)
        : "r"(barrier), "r"(odd)
        : "memory");
}

// Show what this thread has written to the copies that others send, once they have synchronised.
__device__ inline void show_to_copies() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// Send bytes, 16 or a multiple, to an address in another block, which counts them by its barrier.
__device__ inline void send(uint32_t to, uint32_t from, uint32_t bytes, uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes [%0], [%1], %2, "
      "[%3];" ::"r"(to),
      "r"(from), "r"(bytes), "r"(barrier)
      : "memory");
}

// Wait until all that this thread has sent has been read.
__device__ inline void wait_for_copies() {
  asm volatile(
      "cp.async.bulk.commit_group;\n"
      "cp.async.bulk.wait_group.read 0;" ::
          : "memory");
}

__device__ inline void lower(int* to, int value) { atomicMin(to, value); }
__device__ inline void raise(int* to, int value) { atomicMax(to, value); }

__device__ inline float sigmoid(float x) { return __fdividef(1.0f, 1.0f + __expf(-x)); }

__device__ inline float round_to_tf32(float v) {
  uint32_t rounded;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(v));
  return __uint_as_float(rounded);
}

// Two numbers of bfloat16, the first in the lower half.
__device__ inline uint32_t round_to_bfloat16(float first, float second) {
  uint32_t both;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(second), "f"(first));
  return both;
}

// The same of float16; what it has no room for becomes the largest it has.
__device__ inline uint32_t round_to_half(float first, float second) {
  auto fit = [](float v) { return isfinite(v) ? fminf(fmaxf(v, -65504.0f), 65504.0f) : v; };
  uint32_t both;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(fit(second)), "f"(fit(first)));
  return both;
}

// Of a fragment of 16 rows and 8 columns (TF32) or 16 (pairs of 16 bits), with 8 vectors. A lane
// has, of row lane / 4 and of that 8 further on, and of vector lane / 4, the numbers lane % 4 and 4
// further on; of the sums those of vectors lane % 4 * 2 and the next.
__device__ inline void multiply_tf32(float (&sum)[4], const uint32_t* a, uint32_t b0, uint32_t b1) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ inline void multiply_bfloat16(float (&sum)[4], const uint32_t* a, uint32_t b0,
                                         uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

__device__ inline void multiply_half(float (&sum)[4], const uint32_t* a, uint32_t b0, uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// What follows is called by the host.

using Stream = cudaStream_t;
using StreamOfCall = xla::ffi::PlatformStream<Stream>;

// Which kernel is launched, and how often.
struct Launch {
  const void* kernel = nullptr;
  int cluster = 0, threads = 0, bytes = 0;  // blocks of a cluster; of a block, with shared memory
  int clusters = 0, layers = 0;
};

template <class Arguments>
const void* kernel_address(void (*kernel)(Arguments)) {
  return reinterpret_cast<const void*>(kernel);
}

// Of the present device.
inline int shared_memory_of_block() {
  int device = 0, bytes = 0;
  cudaGetDevice(&device);
  cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  return bytes;
}

struct Configuration {
  cudaLaunchAttribute cluster;
  cudaLaunchConfig_t config = {};

  Configuration(const Launch& how, Stream stream) {
    cluster.id = cudaLaunchAttributeClusterDimension;
    cluster.val.clusterDim = {unsigned(how.cluster), 1, 1};
    config.gridDim = dim3(how.clusters * how.cluster, how.layers);
    config.blockDim = dim3(how.threads);
    config.dynamicSmemBytes = how.bytes;
    config.stream = stream;
    config.attrs = &cluster;
    config.numAttrs = 1;
  }
};

// How many clusters run at the same time; 0 if none can. Asked once, it is known.
inline int clusters_at_once(const Launch& how) {
  static std::mutex mutex;
  static std::map<std::tuple<int, const void*, int, int>, int> known;
  int device = 0;
  cudaGetDevice(&device);
  const std::lock_guard lock(mutex);
  const auto [at, fresh] = known.try_emplace({device, how.kernel, how.cluster, how.bytes}, 0);
  if (!fresh) return at->second;
  Configuration configuration(how, nullptr);
  int found = 0;
  // As much memory as there is: other launches of the kernel ask for more or less.
  if (cudaFuncSetAttribute(how.kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                           shared_memory_of_block()) ||
      cudaFuncSetAttribute(how.kernel, cudaFuncAttributeNonPortableClusterSizeAllowed, 1) ||
      cudaOccupancyMaxActiveClusters(&found, how.kernel, &configuration.config)) {
    cudaGetLastError();  // it is told here, and not by the next call of anybody
    found = 0;
  }
  return at->second = found;
}

// Return what went wrong, or null.
inline const char* launch(const Launch& how, void* arguments, Stream stream) {
  Configuration configuration(how, stream);
  void* given[] = {arguments};
  const cudaError_t error = cudaLaunchKernelExC(&configuration.config, how.kernel, given);
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

inline const char* copy(void* to, const void* from, size_t bytes, Stream stream) {
  const cudaError_t error = cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream);
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

}  // namespace zoo
