// Plain C++: the readable reference, and the fallback where no other instruction set is available. It relies on no
// particular instructions; products of u8 and s8 are added in int32, which wraps (-fwrapv).
#pragma once

#include <bit>

#include "kernels/cpu.h"
#include "kernels/generic/block.h"
#include "kernels/generic/step.h"

namespace octavo {
namespace {

struct scalar {
  static constexpr char kName[] = "scalar";
  static constexpr CpuFeatures kFeatures = 0;
  static constexpr int kLanes = 1;
  using Ints = std::int32_t;
  using Floats = float;

  static Floats load(const float* p) { return *p; }
  static Ints load(const std::int32_t* p) { return *p; }
  static Ints widen(const std::uint8_t* p) { return *p; }
  static Ints widen(const std::int8_t* p) { return *p; }
  static void store(float* p, Floats v) { *p = v; }
  static void store(std::int32_t* p, Ints v) { *p = v; }
  static void store_low_bytes(std::uint8_t* p, const Ints (&v)[kBlock]) {
    for (std::size_t i = 0; i < kBlock; ++i) p[i] = static_cast<std::uint8_t>(v[i]);
  }

  static Ints all(std::int32_t v) { return v; }
  static Floats all(float v) { return v; }

  static Ints add(Ints a, Ints b) { return a + b; }
  static Ints subtract(Ints a, Ints b) { return a - b; }
  static Ints multiply(Ints a, Ints b) { return a * b; }
  static Ints bit_and(Ints a, Ints b) { return a & b; }
  static Ints shift_right(Ints v, int bits) { return v >> bits; }
  // Unsigned.
  static Ints smaller(Ints a, Ints b) { return static_cast<std::uint32_t>(a) < static_cast<std::uint32_t>(b) ? a : b; }
  static bool any_below(Ints v, Ints bound) {
    return static_cast<std::uint32_t>(v) < static_cast<std::uint32_t>(bound);
  }
  static Floats add(Floats a, Floats b) { return a + b; }
  static Floats subtract(Floats a, Floats b) { return a - b; }
  static Floats multiply(Floats a, Floats b) { return a * b; }
  static Floats bit_or(Floats a, Floats b) {
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(a) | std::bit_cast<std::uint32_t>(b));
  }

  // If v is NaN, the result is the bound.
  static Floats min(Floats v, Floats bound) { return v < bound ? v : bound; }
  static Floats max(Floats v, Floats bound) { return v > bound ? v : bound; }

  static Floats to_floats(Ints v) { return static_cast<float>(v); }
  // Half to even.
  static Ints round(Floats v) { return static_cast<std::int32_t>(__builtin_rintf(v)); }

  static Floats absolute(Floats v) { return __builtin_fabsf(v); }
  // Rounded twice; used only where the result is exact or checked afterwards.
  static Floats multiply_add(Floats a, Floats b, Floats c) { return add(multiply(a, b), c); }
  static bool any_at_least(Floats v, Floats bound) { return v >= bound; }
  static float total(Floats v) { return v; }
  static float largest(Floats v) { return v; }
  static Floats divide(Floats a, Floats b) { return a / b; }
  static Floats square_root(Floats v) { return __builtin_sqrtf(v); }
  // Propagates NaN.
  static Floats clamp(Floats v, Floats low, Floats high) { return v < low ? low : v > high ? high : v; }
  static Floats at_least(Floats v, Floats low) { return v < low ? low : v; }
  static Floats where_less(Floats a, Floats b, Floats yes, Floats no) { return a < b ? yes : no; }
  // Half to even.
  static Floats nearest(Floats v) { return __builtin_rintf(v); }
  // v * 2^n for an integer n in [-252, 254], in two products, the first of which is exact.
  static Floats scale(Floats v, Floats n) {
    const auto whole = n == n ? static_cast<std::int32_t>(n) : 0, half = whole >> 1;
    return v * power(half) * power(whole - half);
  }
  static Floats power(std::int32_t n) { return std::bit_cast<float>((n + 127) << 23); }
  // Adds the four bytes of a column to its sum.
  static Ints add_fours(Ints sums, const std::int8_t* p) { return sums + p[0] + p[1] + p[2] + p[3]; }
  // Interleaves sixteen bytes of each of four rows, column by column.
  static void interleave_rows(const std::uint8_t* const (&rows)[4], std::uint8_t flip, std::int8_t* p) {
    for (std::size_t i = 0; i < 4 * kBlock; ++i) p[i] = static_cast<std::int8_t>(rows[i % 4][i / 4] ^ flip);
  }

  static Ints to_grid_exactly(Floats x, const Step& step) {
    const double q = x != x ? 0.0 : __builtin_rint(x / step.scale);
    return static_cast<std::int32_t>(q < step.low ? step.low : q > step.high ? step.high : q);
  }

  static constexpr std::size_t kTableBytes = 1;

  // Products: each accumulator is one sum.
  static constexpr int kTilePanels = 1, kVectorPanels = 1;
  static constexpr int tile_rows(int) { return 4; }
  static constexpr int kRowStep = 1, kDepth = 4, kParts = 1, kPanelRegisters = 16;
  static constexpr bool kLhsSigned = false;
  using Lhs = std::uint8_t;
  using Accumulator = std::int32_t;
  using LhsRegister = const std::uint8_t*;
  using RhsRegister = const std::int8_t*;

  static void convert(const std::uint8_t* row, std::uint8_t flip, Lhs* to) {
    for (std::size_t i = 0; i < kBlock; ++i) to[i] = row[i] ^ flip;
  }
  static Accumulator start(const std::int32_t* p, int v) { return p[v]; }
  static LhsRegister lhs(const Lhs* const* rows, std::size_t at, int) { return rows[0] + at; }
  static RhsRegister rhs(const std::int8_t* p, int v, int) { return p + 4 * v; }
  static Accumulator dot(Accumulator sum, LhsRegister left, RhsRegister right) {
    for (int i = 0; i < 4; ++i) sum += left[i] * right[i];
    return sum;
  }
  static void store_accumulators(std::int32_t* p, std::size_t, const Accumulator* sums) {
    std::memcpy(p, sums, 16 * sizeof(Accumulator));
  }
};

}  // namespace
}  // namespace octavo
