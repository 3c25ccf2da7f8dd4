// Hardware primitives, for NVIDIA GPUs from compute capability 9.0 on.
//
// The tests replace this header by tests/emulated/hardware.h, which emulates a GPU on a CPU.
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

// The rank of this block in its cluster, and the number of blocks.
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

// Return the corresponding address in another block of the cluster.
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

// Synchronise the first `threads` threads of the block, a multiple of 32.
__device__ inline void synchronise_threads(int threads) {
  asm volatile("bar.sync 1, %0;" ::"r"(threads) : "memory");
}

// A barrier that counts received bytes. A phase ends when the expected number has arrived.
__device__ inline void barrier_init(uint32_t barrier) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(barrier) : "memory");
}

// Make initialised barriers visible to the other blocks, once the cluster has synchronised.
__device__ inline void barrier_publish() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

__device__ inline void barrier_expect(uint32_t barrier, uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes)
               : "memory");
}

// Wait for the end of an even or an odd phase.
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

// Make the writes of this thread visible to the asynchronous copies that other threads start after
// synchronising.
__device__ inline void fence_for_copies() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// Copy bytes, a multiple of 16, to an address in another block, whose barrier counts them.
__device__ inline void send(uint32_t to, uint32_t from, uint32_t bytes, uint32_t barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes [%0], [%1], %2, "
      "[%3];" ::"r"(to),
      "r"(from), "r"(bytes), "r"(barrier)
      : "memory");
}

// Wait until the sources of all copies that this thread started may be overwritten.
__device__ inline void wait_for_sends() {
  asm volatile(
      "cp.async.bulk.commit_group;\n"
      "cp.async.bulk.wait_group.read 0;" ::
          : "memory");
}

__device__ inline void atomic_min(int* to, int value) { atomicMin(to, value); }
__device__ inline void atomic_max(int* to, int value) { atomicMax(to, value); }

__device__ inline float sigmoid(float x) { return __fdividef(1.0f, 1.0f + __expf(-x)); }

__device__ inline float round_to_tf32(float v) {
  uint32_t rounded;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(v));
  return __uint_as_float(rounded);
}

// Return two bfloat16, the first in the lower half of the word.
__device__ inline uint32_t round_to_bfloat16(float first, float second) {
  uint32_t both;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(second), "f"(first));
  return both;
}

// Return two float16. Finite numbers out of range become the largest float16.
__device__ inline uint32_t round_to_float16(float first, float second) {
  auto fit = [](float v) { return isfinite(v) ? fminf(fmaxf(v, -65504.0f), 65504.0f) : v; };
  uint32_t both;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(fit(second)), "f"(fit(first)));
  return both;
}

// Multiply a fragment of 16 rows by 8 columns (TF32) or 16 columns (pairs of 16 bits) and 8
// vectors, and add to the sums. A lane has words lane % 4 and lane % 4 + 4 of rows lane / 4 and
// lane / 4 + 8, and of vector lane / 4. Its sums belong to vectors lane % 4 * 2 and lane % 4 * 2
// + 1.
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

__device__ inline void multiply_float16(float (&sum)[4], const uint32_t* a, uint32_t b0,
                                        uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// What follows is called on the host.

using Stream = cudaStream_t;
using CallStream = xla::ffi::PlatformStream<Stream>;

// A kernel and how it is launched.
struct Launch {
  const void* kernel = nullptr;
  int cluster = 0;             // blocks in a cluster
  int threads = 0, bytes = 0;  // of a block; bytes of shared memory
  int clusters = 0, layers = 0;
};

template <class Arguments>
const void* kernel_address(void (*kernel)(Arguments)) {
  return reinterpret_cast<const void*>(kernel);
}

// Return the most shared memory a block may have on the present device.
inline int max_shared_memory() {
  int device = 0, bytes = 0;
  cudaGetDevice(&device);
  cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  return bytes;
}

struct Configuration {
  cudaLaunchAttribute cluster;
  cudaLaunchConfig_t config = {};

  Configuration(const Launch& plan, Stream stream) {
    cluster.id = cudaLaunchAttributeClusterDimension;
    cluster.val.clusterDim = {unsigned(plan.cluster), 1, 1};
    config.gridDim = dim3(plan.clusters * plan.cluster, plan.layers);
    config.blockDim = dim3(plan.threads);
    config.dynamicSmemBytes = plan.bytes;
    config.stream = stream;
    config.attrs = &cluster;
    config.numAttrs = 1;
  }
};

// Return plan many clusters run concurrently, 0 if none can. Results are cached.
inline int concurrent_clusters(const Launch& plan) {
  static std::mutex mutex;
  static std::map<std::tuple<int, const void*, int, int>, int> cache;
  int device = 0;
  cudaGetDevice(&device);
  const std::lock_guard lock(mutex);
  const auto [at, inserted] = cache.try_emplace({device, plan.kernel, plan.cluster, plan.bytes}, 0);
  if (!inserted) return at->second;
  Configuration configuration(plan, nullptr);
  int clusters = 0;
  // The limit for any launch of the kernel, since other launches use more memory or less.
  if (cudaFuncSetAttribute(plan.kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                           max_shared_memory()) ||
      cudaFuncSetAttribute(plan.kernel, cudaFuncAttributeNonPortableClusterSizeAllowed, 1) ||
      cudaOccupancyMaxActiveClusters(&clusters, plan.kernel, &configuration.config)) {
    cudaGetLastError();  // reset the error, or the next CUDA call would report it
    clusters = 0;
  }
  return at->second = clusters;
}

// Return an error message, or null.
inline const char* launch(const Launch& plan, void* arguments, Stream stream) {
  Configuration configuration(plan, stream);
  void* parameters[] = {arguments};
  const cudaError_t error = cudaLaunchKernelExC(&configuration.config, plan.kernel, parameters);
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

inline const char* copy(void* to, const void* from, size_t bytes, Stream stream) {
  const cudaError_t error = cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream);
  return error == cudaSuccess ? nullptr : cudaGetErrorString(error);
}

}  // namespace zoo
