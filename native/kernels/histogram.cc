#include "kernels/histogram.h"

#include <bit>

namespace octavo {

std::size_t count_bins(const float* x, std::size_t first, std::size_t end, std::size_t stride, std::int64_t* bins) {
  constexpr std::uint32_t kExponent = 0x7f80;
  std::size_t i = first;
  for (; i < end; i += stride) {
    const std::uint32_t bin = std::bit_cast<std::uint32_t>(x[i]) >> 16;
    bins[bin] += (bin & kExponent) != kExponent;
  }
  return i;
}

}  // namespace octavo
