// Float32 GEMM, c += a b: k in order, each product rounded before it is added, so that every instruction set gives the
// same bits.
#pragma once

#include "kernels/generic/block.h"
#include "kernels/kernels.h"

namespace octavo {
namespace {

// A tile of rows by blocks of sixteen columns, accumulators in registers.
template <class Isa, int Rows, int Blocks>
void float_tile(const FloatProduct& p, const float* a, const float* b, float* c) {
  constexpr int kWide = Blocks * kRegisters<Isa>;
  typename Isa::Floats sums[Rows][kWide];
  each<Rows>([&](auto r) OCTAVO_LAMBDA {
    each<kWide>([&](auto v) OCTAVO_LAMBDA { sums[r][v] = Isa::load(c + r * p.c_stride + v * Isa::kLanes); });
  });
  for (std::size_t i = 0; i < p.k; ++i, b += p.b_stride) {
    typename Isa::Floats right[kWide];
    each<kWide>([&](auto v) OCTAVO_LAMBDA { right[v] = Isa::load(b + v * Isa::kLanes); });
    each<Rows>([&](auto r) OCTAVO_LAMBDA {
      const auto left = Isa::all(a[r * p.a_stride + i]);
      each<kWide>([&](auto v) OCTAVO_LAMBDA { sums[r][v] = Isa::add(sums[r][v], Isa::multiply(left, right[v])); });
    });
  }
  each<Rows>([&](auto r) OCTAVO_LAMBDA {
    each<kWide>([&](auto v) OCTAVO_LAMBDA { Isa::store(c + r * p.c_stride + v * Isa::kLanes, sums[r][v]); });
  });
}

// Columns that do not fill a block.
inline void float_rest(const FloatProduct& p, std::size_t row, std::size_t first) {
  const float* a = p.a + row * p.a_stride;
  for (std::size_t j = first; j < p.n; ++j) {
    float sum = p.c[row * p.c_stride + j];
    for (std::size_t i = 0; i < p.k; ++i) sum += a[i] * p.b[i * p.b_stride + j];
    p.c[row * p.c_stride + j] = sum;
  }
}

template <class Isa, int Rows>
void float_rows(const FloatProduct& p, std::size_t row) {
  constexpr int kBlocks = Isa::kLanes >= 8 ? 2 : 1;
  const float* a = p.a + row * p.a_stride;
  float* c = p.c + row * p.c_stride;
  std::size_t j = 0;
  for (; j + kBlocks * kBlock <= p.n; j += kBlocks * kBlock) float_tile<Isa, Rows, kBlocks>(p, a, p.b + j, c + j);
  for (; j + kBlock <= p.n; j += kBlock) float_tile<Isa, Rows, 1>(p, a, p.b + j, c + j);
  for (int r = 0; r < Rows; ++r) float_rest(p, row + static_cast<std::size_t>(r), j);
}

template <class Isa>
void float_product(const FloatProduct& p) {
  constexpr int kRows = Isa::kLanes >= 16 ? 8 : Isa::kLanes >= 8 ? 2 : 1;
  std::size_t row = 0;
  for (; row + kRows <= p.rows; row += kRows) float_rows<Isa, kRows>(p, row);
  for (; row < p.rows; ++row) float_rows<Isa, 1>(p, row);
}

}  // namespace
}  // namespace octavo
