#include "kernels/histogram.h"

#include <bit>

namespace octavo {
namespace {

constexpr std::uint32_t kExponent = 0x7f80;
constexpr std::size_t kTogether = 4;

std::uint32_t bin_of(float x) { return std::bit_cast<std::uint32_t>(x) >> 16; }

}  // namespace

std::size_t count_bins(const float* x, std::size_t first, std::size_t end, std::size_t stride, std::int64_t* bins) {
  std::size_t i = first;
  for (; i < end; i += stride) {
    const std::uint32_t bin = bin_of(x[i]);
    bins[bin] += (bin & kExponent) != kExponent;
  }
  return i;
}

std::size_t count_finite_bins(const float* x, std::size_t first, std::size_t end, std::size_t stride,
                              std::int64_t* bins) {
  // After a ReLU many values are zero, and incrementing one bin repeatedly is limited by store-to-load latency. The
  // zeros among four values therefore count in separate bins, which no finite value has.
  std::int64_t* zeros = bins + kExponent;
  std::size_t i = first;
  for (; i + (kTogether - 1) * stride < end; i += kTogether * stride) {
    std::uint32_t bin[kTogether];
    for (std::size_t j = 0; j < kTogether; ++j) bin[j] = bin_of(x[i + j * stride]);
    for (std::size_t j = 0; j < kTogether; ++j)
      bin[j] = bin[j] == 0 ? kExponent + static_cast<std::uint32_t>(j) : bin[j];
    for (std::size_t j = 0; j < kTogether; ++j) ++bins[bin[j]];
  }
  for (; i < end; i += stride) ++bins[bin_of(x[i])];
  for (std::size_t j = 0; j < kTogether; ++j) {
    bins[0] += zeros[j];
    zeros[j] = 0;
  }
  return i;
}

}  // namespace octavo
