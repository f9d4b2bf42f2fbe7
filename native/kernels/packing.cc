#include "kernels/packing.h"

#include <algorithm>

namespace octavo {

void pack_panels(const std::int8_t* b, std::size_t k, std::size_t n, std::ptrdiff_t k_stride, std::ptrdiff_t n_stride,
                 std::int8_t* packed, std::int32_t* sums) {
  std::fill_n(packed, panels(n) * panel_bytes(k), std::int8_t{0});
  std::fill_n(sums, panels(n) * kPanelColumns, 0);
  for (std::size_t j = 0; j < n; ++j) {
    std::int8_t* column = packed + j / kPanelColumns * panel_bytes(k) + j % kPanelColumns * kGroupDepth;
    const std::int8_t* source = b + static_cast<std::ptrdiff_t>(j) * n_stride;
    for (std::size_t i = 0; i < k; ++i, source += k_stride) {
      column[i / kGroupDepth * kGroupBytes + i % kGroupDepth] = *source;
      sums[j] += *source;
    }
  }
}

}  // namespace octavo
