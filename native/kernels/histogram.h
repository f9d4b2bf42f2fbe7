// The histogram of a range sketch: bins are the upper sixteen bits of a float32 (sign, exponent, seven of mantissa).
#pragma once

#include <cstddef>
#include <cstdint>

namespace octavo {

inline constexpr std::size_t kBins = 1 << 16;

// Counts the finite values among x[first], x[first + stride], ... before x[end]; returns the index after the last.
std::size_t count_bins(const float* x, std::size_t first, std::size_t end, std::size_t stride, std::int64_t* bins);
// The same where all are finite.
std::size_t count_finite_bins(const float* x, std::size_t first, std::size_t end, std::size_t stride,
                              std::int64_t* bins);

}  // namespace octavo
