// 8 bits to float32: scale * (q - zero_point). The difference is exact, so the product is rounded once.
#pragma once

#include "kernels/generic/block.h"
#include "kernels/kernels.h"

namespace octavo {
namespace {

template <class Isa, class Byte>
void dequantize(const Byte* q, std::size_t count, const Mapping& mapping, float* x) {
  const auto zero_point = Isa::all(mapping.zero_point);
  const auto scale = Isa::all(mapping.scale);
  each_block(q, count, x, [&](const Byte* from, float* to) {
    OCTAVO_UNROLL
    for (int r = 0; r < kRegisters<Isa>; ++r) {
      const auto difference = Isa::subtract(Isa::widen(from + r * Isa::kLanes), zero_point);
      Isa::store(to + r * Isa::kLanes, Isa::multiply(Isa::to_floats(difference), scale));
    }
  });
}

}  // namespace
}  // namespace octavo
