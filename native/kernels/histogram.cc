#include "kernels/histogram.h"

#include <bit>

namespace octavo {

void count_bins(const float* x, std::size_t count, std::int64_t* bins) {
  constexpr std::uint32_t kExponent = 0x7f80;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t bin = std::bit_cast<std::uint32_t>(x[i]) >> 16;
    bins[bin] += (bin & kExponent) != kExponent;
  }
}

}  // namespace octavo
