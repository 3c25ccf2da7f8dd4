// Memory aligned to cache lines, and huge pages for large blocks.
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

inline long round_up(long n, long multiple) { return (n + multiple - 1) / multiple * multiple; }

// An uninitialised or zeroed array that starts at a cache line. One spare line is allocated, so
// that an empty array has an address too.
template <class T>
class Array {
 public:
  explicit Array(long count, bool zero = false)
      : data_(static_cast<T*>(std::aligned_alloc(
                  CACHE_LINE, round_up(count * sizeof(T) + CACHE_LINE, CACHE_LINE))),
              std::free) {
    if (!data_) throw std::bad_alloc();
    if (zero) std::memset(data_.get(), 0, count * sizeof(T));
  }
  T* get() const { return data_.get(); }
  T* operator+(long i) const { return data_.get() + i; }

 private:
  static constexpr long CACHE_LINE = 64;

  std::unique_ptr<T, decltype(&std::free)> data_;
};

using Floats = Array<float>;

// Ask for huge pages (2 MB) if the block is large: a new block costs a system call for each page
// when it is first written.
inline void advise_huge_pages(const void* block, size_t bytes) {
#if defined(__linux__)
  constexpr uintptr_t PAGE = 2 << 20, MIN_PAGES = 4;
  const uintptr_t begin = (uintptr_t(block) + PAGE - 1) / PAGE * PAGE;
  const uintptr_t end = (uintptr_t(block) + bytes) / PAGE * PAGE;
  if (end > begin + MIN_PAGES * PAGE)
    madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#else
  (void)block, (void)bytes;
#endif
}

}  // namespace zoo
