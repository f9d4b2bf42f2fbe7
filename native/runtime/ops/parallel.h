// Splitting the work of an operator among threads.
#pragma once

#include <algorithm>
#include <cstddef>

#include "runtime/op.h"

namespace octavo {

// Work is counted in multiply-adds of a product of 8 bits. This many take some 1.5 us, and handing over a part between
// distant cores up to 1 us.
inline constexpr std::size_t kPartWork = 1 << 19;
// As much as one multiply-add of an operator that is no product; and as much as one element of most others.
inline constexpr std::size_t kStepWork = 8, kElementWork = 32;

// Into how many parts to cut `units` that together take so much work: at most one for each thread, which thus finds
// near it what it wrote when the operators before were cut alike.
inline std::size_t parts_of(const Call& call, std::size_t units, std::size_t work) {
  return call.cut(std::max<std::size_t>(std::min({work / kPartWork, call.threads(), units}), 1));
}

// Of rows [0, rows), which are the part's.
inline void share_rows(std::size_t part, std::size_t parts, std::size_t& first, std::size_t& rows) {
  const std::size_t all = rows;
  first = all * part / parts;
  rows = all * (part + 1) / parts - first;
}

// Calls body(first, last, scratch) for ranges that together are [0, units), in parallel.
template <class Body>
void share(const Call& call, std::size_t units, std::size_t work, const Body& body) {
  const std::size_t parts = parts_of(call, units, work);
  call.parallel(parts, [&](std::size_t part, std::byte* scratch) {
    body(units * part / parts, units * (part + 1) / parts, scratch);
  });
}

// Calls body(first, last) for ranges of elements that together are [0, count), in parallel. Each begins at a multiple
// of a line of memory.
template <class Body>
void share_elements(const Call& call, std::size_t count, const Body& body) {
  constexpr std::size_t kLine = 64;
  share(call, (count + kLine - 1) / kLine, count * kElementWork,
        [&](std::size_t first, std::size_t last, std::byte*) { body(first * kLine, std::min(last * kLine, count)); });
}

}  // namespace octavo
