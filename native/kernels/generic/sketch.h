// One pass of a range sketch: ends, what is not finite, histogram.
#pragma once

#include "kernels/generic/block.h"
#include "kernels/histogram.h"
#include "kernels/kernels.h"

namespace octavo {
namespace {

constexpr std::size_t kStretch = 4096;  // values between two looks at whether all were finite; they stay in the cache

// The ends of values that may hold anything.
inline void careful_ends(const float* x, std::size_t count, Ends& ends) {
  for (std::size_t i = 0; i < count; ++i) {
    if (__builtin_isfinite(x[i])) {
      if (x[i] < ends.low) ends.low = x[i];
      if (x[i] > ends.high) ends.high = x[i];
    } else if (__builtin_isnan(x[i])) {
      ++ends.nans;
    } else {
      ++ends.infs;
    }
  }
}

// The ends of whole blocks; false, and `ends` as it was, if a value is not finite.
template <class Isa>
bool finite_ends(const float* x, std::size_t count, Ends& ends) {
  typename Isa::Floats low[kRegisters<Isa>], high[kRegisters<Isa>], marks[kRegisters<Isa>];
  OCTAVO_UNROLL
  for (int r = 0; r < kRegisters<Isa>; ++r) {
    low[r] = Isa::all(ends.low);
    high[r] = Isa::all(ends.high);
    marks[r] = Isa::all(0.0f);
  }
  for (std::size_t i = 0; i < count; i += kBlock) {
    OCTAVO_UNROLL
    for (int r = 0; r < kRegisters<Isa>; ++r) {
      const auto values = Isa::load(x + i + r * Isa::kLanes);
      low[r] = Isa::min(low[r], values);
      high[r] = Isa::max(high[r], values);
      // 0 of what is finite, NaN of the rest.
      marks[r] = Isa::bit_or(marks[r], Isa::subtract(values, values));
    }
  }
  float lows[kBlock], highs[kBlock], marked[kBlock];
  OCTAVO_UNROLL
  for (int r = 0; r < kRegisters<Isa>; ++r) {
    Isa::store(lows + r * Isa::kLanes, low[r]);
    Isa::store(highs + r * Isa::kLanes, high[r]);
    Isa::store(marked + r * Isa::kLanes, marks[r]);
  }
  for (float mark : marked) {
    if (mark != 0.0f) return false;
  }
  careful_ends(lows, kBlock, ends);
  careful_ends(highs, kBlock, ends);
  return true;
}

template <class Isa>
void sketch(const float* x, std::size_t count, std::size_t stride, Ends& ends, std::int64_t* bins) {
  std::size_t next = 0;
  for (std::size_t i = 0; i < count; i += kStretch) {
    const std::size_t length = count - i < kStretch ? count - i : kStretch;
    const std::size_t whole = length / kBlock * kBlock;
    const bool finite = whole > 0 && finite_ends<Isa>(x + i, whole, ends);
    const std::size_t done = finite ? whole : 0;
    careful_ends(x + i + done, length - done, ends);
    next = count_bins(x, next, i + length, stride, bins);
  }
  // Which zero came first must not show.
  ends.low += 0.0f;
  ends.high += 0.0f;
}

}  // namespace
}  // namespace octavo
