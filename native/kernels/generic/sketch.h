// One pass of a range sketch: minimum and maximum, counts of NaN and infinity, histogram.
#pragma once

#include "kernels/generic/block.h"
#include "kernels/histogram.h"
#include "kernels/kernels.h"

namespace octavo {
namespace {

constexpr std::size_t kStretch = 4096;  // values per finiteness check; fits the L1 cache

// Minimum and maximum of values of which some may be NaN or infinite; counts those.
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

// Independent registers of each kind, to hide latency.
constexpr int kEnds = 4;
template <class Isa>
constexpr std::size_t kEndsStep = kEnds * Isa::kLanes;

// Minimum and maximum of a multiple of kEndsStep values; returns false, with `ends` unchanged, if one is not finite.
template <class Isa>
bool finite_ends(const float* x, std::size_t count, Ends& ends) {
  typename Isa::Floats low[kEnds], high[kEnds], marks[kEnds];
  each<kEnds>([&](auto r) OCTAVO_LAMBDA {
    low[r] = Isa::all(ends.low);
    high[r] = Isa::all(ends.high);
    marks[r] = Isa::all(0.0f);
  });
  for (std::size_t i = 0; i < count; i += kEndsStep<Isa>) {
    each<kEnds>([&](auto r) OCTAVO_LAMBDA {
      const auto values = Isa::load(x + i + r * Isa::kLanes);
      low[r] = Isa::min(low[r], values);
      high[r] = Isa::max(high[r], values);
      // 0 for finite values, NaN for others.
      marks[r] = Isa::bit_or(marks[r], Isa::subtract(values, values));
    });
  }
  each<kEnds - 1>([&](auto r) OCTAVO_LAMBDA {
    low[0] = Isa::min(low[0], low[r + 1]);
    high[0] = Isa::max(high[0], high[r + 1]);
    marks[0] = Isa::bit_or(marks[0], marks[r + 1]);
  });
  float lows[Isa::kLanes], highs[Isa::kLanes], marked[Isa::kLanes];
  Isa::store(lows, low[0]);
  Isa::store(highs, high[0]);
  Isa::store(marked, marks[0]);
  for (float mark : marked) {
    if (mark != 0.0f) return false;
  }
  for (float value : lows) ends.low = value < ends.low ? value : ends.low;
  for (float value : highs) ends.high = value > ends.high ? value : ends.high;
  return true;
}

template <class Isa>
void sketch(const float* x, std::size_t count, std::size_t stride, Ends& ends, std::int64_t* bins) {
  std::size_t next = 0;
  for (std::size_t i = 0; i < count; i += kStretch) {
    const std::size_t length = count - i < kStretch ? count - i : kStretch;
    const std::size_t whole = length / kEndsStep<Isa> * kEndsStep<Isa>;
    const std::uint64_t odd = ends.nans + ends.infs;
    const std::size_t done = finite_ends<Isa>(x + i, whole, ends) ? whole : 0;
    careful_ends(x + i + done, length - done, ends);
    const bool finite = ends.nans + ends.infs == odd;
    next = (finite ? count_finite_bins : count_bins)(x, next, i + length, stride, bins);
  }
  // Normalizes -0, so that the order of zeros does not matter.
  ends.low += 0.0f;
  ends.high += 0.0f;
}

}  // namespace
}  // namespace octavo
