// An lhs of unsigned bytes, whatever the instruction set.
#pragma once

#include "kernels/generic/block.h"

namespace octavo {
namespace {

struct Unsigned {
  using Lhs = std::uint8_t;
  static constexpr bool kLhsSigned = false;
  static OCTAVO_INLINE void convert(const std::uint8_t* bytes, std::uint8_t flip, Lhs* to) {
    for (std::size_t i = 0; i < kBlock; ++i) to[i] = bytes[i] ^ flip;
  }
};

}  // namespace
}  // namespace octavo
