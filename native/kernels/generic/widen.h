// Dequantization of 8 bits: scale * (q - zero_point). The difference is exact, so the product is rounded once.
#pragma once

#include "kernels/generic/block.h"

namespace octavo {
namespace {

// Dequantizes sixteen values.
template <class Isa, class Byte>
OCTAVO_INLINE void widen_block(const std::uint8_t* q, float scale, std::int32_t zero_point,
                               typename Isa::Floats (&x)[kRegisters<Isa>]) {
  each<kRegisters<Isa>>([&](auto r) OCTAVO_LAMBDA {
    const auto wide = Isa::widen(reinterpret_cast<const Byte*>(q) + r * Isa::kLanes);
    x[r] = Isa::multiply(Isa::to_floats(Isa::subtract(wide, Isa::all(zero_point))), Isa::all(scale));
  });
}

}  // namespace
}  // namespace octavo
