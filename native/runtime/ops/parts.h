// How much of an operator's work is worth a part of its own.
#pragma once

#include <algorithm>
#include <cstddef>

#include "runtime/op.h"

namespace octavo {

// At least this many multiply-adds: some ten microseconds.
inline constexpr std::size_t kPartWork = 1 << 21;

// Into how many parts to cut `units` that together have that many multiply-adds; one without other threads.
inline std::size_t parts_of(const Call& call, std::size_t units, std::size_t multiply_adds) {
  constexpr std::size_t kForEach = 3;  // so that a thread that is held up holds up little
  if (call.threads() == 1) return 1;
  return std::clamp<std::size_t>(std::min(multiply_adds / kPartWork, call.threads() * kForEach), 1, units);
}

// Of rows [0, rows), which are the part's.
inline void share_rows(std::size_t part, std::size_t parts, std::size_t& first, std::size_t& rows) {
  const std::size_t all = rows;
  first = all * part / parts;
  rows = all * (part + 1) / parts - first;
}

}  // namespace octavo
