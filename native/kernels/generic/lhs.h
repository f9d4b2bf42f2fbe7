// The lhs of a GEMM in the element type and signedness that the instruction set takes. Flipping the sign bit moves
// every value by 128, which the zero point compensates.
#pragma once

#include "kernels/generic/block.h"
#include "kernels/kernels.h"
#include "kernels/packing.h"

namespace octavo {
namespace {

// Offset added to the values of a, and to its zero point.
template <class Isa>
constexpr std::int32_t shift(bool a_signed) {
  return a_signed == Isa::kLhsSigned ? 0 : a_signed ? 128 : -128;
}

template <class Isa>
constexpr std::uint8_t flip(bool a_signed) {
  return shift<Isa>(a_signed) == 0 ? 0 : 0x80;
}

// Whether the lhs can be read in place.
template <class Isa>
constexpr bool readable(bool a_signed) {
  return sizeof(typename Isa::Lhs) == 1 && shift<Isa>(a_signed) == 0;
}

// Converts `count` bytes; may write up to fifteen elements past the end, which are converted zeros.
template <class Isa>
void convert(const std::uint8_t* bytes, std::size_t count, std::uint8_t flip, typename Isa::Lhs* to) {
  if (sizeof(typename Isa::Lhs) == 1 && flip == 0) {
    std::memcpy(to, bytes, count);
    return;
  }
  for (; count >= kBlock; count -= kBlock, bytes += kBlock, to += kBlock) Isa::convert(bytes, flip, to);
  if (count == 0) return;
  std::uint8_t padded[kBlock] = {};
  std::memcpy(padded, bytes, count);
  Isa::convert(padded, flip, to);
}

template <class Byte>
std::int32_t sum(const std::uint8_t* row, std::size_t k) {
  std::int32_t total = 0;
  for (std::size_t i = 0; i < k; ++i) total += static_cast<Byte>(row[i]);
  return total;
}

// The sum over k of (a - a_zero), by which the zero points of b are multiplied.
inline std::int32_t centered_sum(const Gemm& gemm, std::size_t row) {
  const std::uint8_t* a = gemm.a + row * gemm.a_stride;
  const std::int32_t total = gemm.a_signed ? sum<std::int8_t>(a, gemm.k) : sum<std::uint8_t>(a, gemm.k);
  return total - static_cast<std::int32_t>(gemm.k) * gemm.a_zero;
}

}  // namespace
}  // namespace octavo
