// The histogram of a range sketch: bins are the upper sixteen bits of a float32 (sign, exponent, seven of mantissa).
#pragma once

#include <cstddef>
#include <cstdint>

namespace octavo {

inline constexpr std::size_t kBins = 1 << 16;

// Counts the finite values.
void count_bins(const float* x, std::size_t count, std::int64_t* bins);

}  // namespace octavo
