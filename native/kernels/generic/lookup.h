// Look-up of bytes in a table of 256, Isa::kTableBytes at a time.
#pragma once

#include "kernels/generic/block.h"
#include "kernels/kernels.h"

namespace octavo {
namespace {

template <class Isa>
void look_up(const std::uint8_t* x, std::size_t count, const std::uint8_t* entries, std::uint8_t* y) {
  std::size_t i = 0;
  if constexpr (Isa::kTableBytes > 1) {
    const auto table = Isa::table(entries);
    for (; i + Isa::kTableBytes <= count; i += Isa::kTableBytes) Isa::look_up(table, x + i, y + i);
  }
  for (; i < count; ++i) y[i] = entries[x[i]];
}

}  // namespace
}  // namespace octavo
