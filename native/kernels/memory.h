// Memory that begins where a cache line does.
#pragma once

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

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

}  // namespace zoo
