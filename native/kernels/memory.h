// Memory that begins where a cache line does, and large blocks in large pages.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace zoo {

inline long round_up(long n, long to) { return (n + to - 1) / to * to; }

template <class T>
class Array {
 public:
  explicit Array(long count, bool zero = false)
      : data_(static_cast<T*>(std::aligned_alloc(64, round_up(count * sizeof(T) + 64, 64))),
              std::free) {
    if (!data_) throw std::bad_alloc();
    if (zero) std::memset(data_.get(), 0, count * sizeof(T));
  }
  T* get() const { return data_.get(); }
  T* operator+(long i) const { return data_.get() + i; }

 private:
  std::unique_ptr<T, decltype(&std::free)> data_;
};

using Floats = Array<float>;

// Ask for pages of 2 MB where a large block is new: the system clears a page when it is first
// written, and is called for each.
inline void in_large_pages(const void* block, size_t bytes) {
#if defined(__linux__)
  constexpr uintptr_t PAGE = 2 << 20, FEW = 4;
  const uintptr_t from = (uintptr_t(block) + PAGE - 1) / PAGE * PAGE;
  const uintptr_t to = (uintptr_t(block) + bytes) / PAGE * PAGE;
  if (to > from + FEW * PAGE) madvise(reinterpret_cast<void*>(from), to - from, MADV_HUGEPAGE);
#endif
}

}  // namespace zoo
