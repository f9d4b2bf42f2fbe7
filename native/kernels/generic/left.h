// The left matrix of a product as the instruction set reads it: k padded with zeros, the sign that its instruction
// takes (flipping the top bit moves every value by 128, which the zero point makes good), rows together where a
// register holds several.
#pragma once

#include "kernels/generic/block.h"
#include "kernels/kernels.h"

namespace octavo {
namespace {

// What is added to a's values, and so to its zero point.
template <class Isa>
constexpr std::int32_t shift(bool a_signed) {
  return a_signed == Isa::kLeftSigned ? 0 : a_signed ? 128 : -128;
}

template <class Isa>
constexpr std::size_t packed_left_stride(std::size_t k) {
  return (k + kBlock - 1) / kBlock * kBlock * Isa::kRowStep;
}

// Whether rows can be read where they are.
template <class Isa>
bool readable_in_place(const Gemm& gemm) {
  return sizeof(typename Isa::Left) == 1 && Isa::kRowStep == 1 && gemm.k % Isa::kDepth == 0 &&
         shift<Isa>(gemm.a_signed) == 0;
}

template <class Isa>
void pack_left_row(const std::uint8_t* row, std::size_t k, std::uint8_t flip, typename Isa::Left* packed) {
  constexpr std::size_t kStride = kBlock * Isa::kRowStep;
  for (; k >= kBlock; k -= kBlock, row += kBlock, packed += kStride) Isa::pack_left(row, flip, packed);
  if (k == 0) return;
  std::uint8_t padded[kBlock] = {};
  std::memcpy(padded, row, k);
  Isa::pack_left(padded, flip, packed);
}

// Rows that fill up the last kRowStep are copies of the last row: their sums are not used.
template <class Isa>
void pack_left_rows(const Gemm& gemm, std::size_t first, std::size_t rows, typename Isa::Left* packed) {
  const std::uint8_t flip = shift<Isa>(gemm.a_signed) == 0 ? 0 : 0x80;
  const std::size_t stride = packed_left_stride<Isa>(gemm.k);
  const std::size_t padded = (rows + Isa::kRowStep - 1) / Isa::kRowStep * Isa::kRowStep;
  for (std::size_t r = 0; r < padded; ++r) {
    const std::size_t row = first + (r < rows ? r : rows - 1);
    pack_left_row<Isa>(gemm.a + row * gemm.a_stride, gemm.k, flip,
                       packed + r / Isa::kRowStep * stride + r % Isa::kRowStep * Isa::kDepth);
  }
}

template <class Byte>
std::int32_t sum(const std::uint8_t* row, std::size_t k) {
  std::int32_t total = 0;
  for (std::size_t i = 0; i < k; ++i) total += static_cast<Byte>(row[i]);
  return total;
}

// The sum over k of (a - a_zero), which b's zero points are multiplied by.
inline std::int32_t centred_sum(const Gemm& gemm, std::size_t row) {
  const std::uint8_t* a = gemm.a + row * gemm.a_stride;
  const std::int32_t total = gemm.a_signed ? sum<std::int8_t>(a, gemm.k) : sum<std::uint8_t>(a, gemm.k);
  return total - static_cast<std::int32_t>(gemm.k) * gemm.a_zero;
}

}  // namespace
}  // namespace octavo
