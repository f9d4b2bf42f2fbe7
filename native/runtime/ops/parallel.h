// Splitting the work of an operator among threads.
#pragma once

#include <algorithm>
#include <cstddef>

#include "runtime/op.h"

namespace octavo {

// Work is measured in 8-bit multiply-adds. This many take about 1.5 us; handing a part to a distant core takes up to
// 1 us.
inline constexpr std::size_t kPartWork = 1 << 19;
// The cost of one multiply-add outside of GEMM, and of one element of most other operators.
inline constexpr std::size_t kStepWork = 8, kElementWork = 32;

// The number of parts to split `units` of this total work into: at most one per thread, so that a thread reads what it
// wrote itself if the preceding operator was split in the same proportions.
inline std::size_t parts_of(const Call& call, std::size_t units, std::size_t work) {
  return call.split(std::max<std::size_t>(std::min({work / kPartWork, call.threads(), units}), 1));
}

// The rows of a part, out of [0, rows).
inline void share_rows(std::size_t part, std::size_t parts, std::size_t& first, std::size_t& rows) {
  const std::size_t all = rows;
  first = all * part / parts;
  rows = all * (part + 1) / parts - first;
}

// Calls body(first, last, scratch) in parallel for ranges that partition [0, units).
template <class Body>
void share(const Call& call, std::size_t units, std::size_t work, const Body& body) {
  const std::size_t parts = parts_of(call, units, work);
  call.parallel(parts, [&](std::size_t part, std::byte* scratch) {
    body(units * part / parts, units * (part + 1) / parts, scratch);
  });
}

// Calls body(first, last) in parallel for ranges of elements that partition [0, count). Each starts at a multiple of a
// cache line.
template <class Body>
void share_elements(const Call& call, std::size_t count, const Body& body) {
  constexpr std::size_t kLine = 64;
  share(call, (count + kLine - 1) / kLine, count * kElementWork,
        [&](std::size_t first, std::size_t last, std::byte*) { body(first * kLine, std::min(last * kLine, count)); });
}

}  // namespace octavo
