// A GEMM with a constant rhs for Python: b is packed, per-column vectors are padded to whole panels.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/packing.h"

namespace octavo {

// Memory aligned to a cache line.
class Aligned {
 public:
  explicit Aligned(std::size_t bytes) : data_(new (kLine) std::byte[bytes]), bytes_(bytes) {}
  std::byte* get() const { return data_.get(); }
  std::size_t bytes() const { return bytes_; }

 private:
  static constexpr std::align_val_t kLine{64};
  struct Delete {
    void operator()(std::byte* p) const { ::operator delete[](p, kLine); }
  };
  std::unique_ptr<std::byte[], Delete> data_;
  std::size_t bytes_;
};

class Product {
 public:
  Product(const Kernels& kernels, const std::int8_t* b, std::size_t k, std::size_t n)
      : kernels_(&kernels), packed_(panels(n) * panel_bytes(k)), scratch_(0), b_sums_(panels(n) * kPanelColumns) {
    auto* packed = reinterpret_cast<std::int8_t*>(packed_.get());
    pack_panels(b, k, n, static_cast<std::ptrdiff_t>(n), 1, packed, b_sums_.data());
    gemm_.k = k;
    gemm_.n = n;
    gemm_.b = packed;
    gemm_.b_sums = b_sums_.data();
  }

  Gemm& gemm() { return gemm_; }
  void set_b_zero(const std::int32_t* values) { gemm_.b_zero = padded(b_zero_, values); }
  void set_bias(const std::int32_t* values) { gemm_.bias = padded(bias_, values); }
  void set_multiplier(const float* values) { gemm_.multiplier = padded(multiplier_, values); }

  // c = a * b; rows of a and c are contiguous.
  void run(const std::uint8_t* a, std::size_t m, void* c) {
    const std::size_t needed = kernels_->gemm_scratch(m, gemm_.k);
    if (scratch_.bytes() < needed) scratch_ = Aligned(needed);
    gemm_.m = m;
    gemm_.a = a;
    gemm_.a_stride = gemm_.k;
    gemm_.c = c;
    gemm_.c_stride = gemm_.n;
    kernels_->gemm(gemm_, scratch_.get());
  }

 private:
  template <class T>
  const T* padded(std::vector<T>& storage, const T* values) {
    storage.assign(values, values + gemm_.n);
    storage.resize(panels(gemm_.n) * kPanelColumns);
    return storage.data();
  }

  const Kernels* kernels_;
  Gemm gemm_{};
  Aligned packed_, scratch_;
  std::vector<std::int32_t> b_sums_, b_zero_, bias_;
  std::vector<float> multiplier_;
};

}  // namespace octavo
