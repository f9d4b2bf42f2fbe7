// float32 to 8 bits: clip(round(x / scale) + zero_point); NaN becomes the zero point.
#pragma once

#include "kernels/generic/output.h"
#include "kernels/generic/to_grid.h"

namespace octavo {
namespace {

template <class Isa>
void quantize(const float* x, std::size_t count, const Mapping& mapping, std::uint8_t* q) {
  const Step step = step_of(mapping);
  if constexpr (PacksBytes<Isa>) {
    constexpr std::size_t kColumns = kGroup * kBlock;
    const typename Isa::Clipped clipped({mapping.zero_point, mapping.low, mapping.high, mapping.low < 0});
    for (; count >= kColumns; count -= kColumns, x += kColumns, q += kColumns) {
      typename Isa::Floats from[kGroup];
      typename Isa::Ints integers[kGroup];
      each<kGroup>([&](auto i) OCTAVO_LAMBDA { from[i] = Isa::load(x + i * kBlock); });
      to_grid<Isa>(from, step, integers);
      store_packed<Isa, kGroup>(clipped, integers, kColumns, q);
    }
  }
  const auto zero_point = Isa::all(step.zero_point);
  each_block(x, count, q, [&](const float* from, std::uint8_t* to) {
    typename Isa::Ints q16[kRegisters<Isa>];
    OCTAVO_UNROLL
    for (int r = 0; r < kRegisters<Isa>; ++r) {
      q16[r] = Isa::add(to_grid<Isa>(Isa::load(from + r * Isa::kLanes), step), zero_point);
    }
    Isa::store_low_bytes(to, q16);
  });
}

}  // namespace
}  // namespace octavo
