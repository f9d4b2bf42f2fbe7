// What an instruction set provides to the generic kernels: InstructionSet is required, every other concept is optional
// and names its fallback. isa.cc checks the header that it is compiled for.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "kernels/cpu.h"
#include "kernels/generic/block.h"
#include "kernels/generic/step.h"

namespace octavo {
namespace {

// A register of kLanes int32 or float32; sixteen lanes are a block.
template <class Isa>
concept HasRegisters = requires {
  typename Isa::Ints;
  typename Isa::Floats;
  { Isa::kName[0] } -> std::convertible_to<char>;
  { Isa::kFeatures } -> std::convertible_to<CpuFeatures>;
  { Isa::kLanes } -> std::convertible_to<int>;
} && kBlock % Isa::kLanes == 0;

template <class Isa>
concept LoadsAndStores =
    requires(const float* x, const std::int32_t* i, const std::uint8_t* u, const std::int8_t* s, float* y,
             std::int32_t* j, std::uint8_t* q, typename Isa::Ints ints, typename Isa::Floats floats,
             const typename Isa::Ints (&block)[kBlock / Isa::kLanes]) {
      { Isa::load(x) } -> std::same_as<typename Isa::Floats>;
      { Isa::load(i) } -> std::same_as<typename Isa::Ints>;
      { Isa::widen(u) } -> std::same_as<typename Isa::Ints>;  // kLanes bytes, zero extended
      { Isa::widen(s) } -> std::same_as<typename Isa::Ints>;  // kLanes bytes, sign extended
      Isa::store(y, floats);
      Isa::store(j, ints);
      Isa::store_low_bytes(q, block);  // the low byte of each of sixteen lanes
      { Isa::all(std::int32_t{}) } -> std::same_as<typename Isa::Ints>;
      { Isa::all(float{}) } -> std::same_as<typename Isa::Floats>;
    };

template <class Isa>
concept IntegerArithmetic = requires(typename Isa::Ints a, typename Isa::Ints b, int bits) {
  { Isa::add(a, b) } -> std::same_as<typename Isa::Ints>;
  { Isa::subtract(a, b) } -> std::same_as<typename Isa::Ints>;
  { Isa::multiply(a, b) } -> std::same_as<typename Isa::Ints>;
  { Isa::bit_and(a, b) } -> std::same_as<typename Isa::Ints>;
  { Isa::shift_right(a, bits) } -> std::same_as<typename Isa::Ints>;  // arithmetic
  { Isa::smaller(a, b) } -> std::same_as<typename Isa::Ints>;         // unsigned minimum
  { Isa::any_below(a, b) } -> std::same_as<bool>;                     // unsigned comparison
};

// Every operation is rounded as IEEE 754 specifies, so that all instruction sets give the same bits; only multiply_add
// may be fused.
template <class Isa>
concept FloatArithmetic = requires(typename Isa::Floats a, typename Isa::Floats b, typename Isa::Floats c,
                                   typename Isa::Ints n, const Step& step) {
  { Isa::add(a, b) } -> std::same_as<typename Isa::Floats>;
  { Isa::subtract(a, b) } -> std::same_as<typename Isa::Floats>;
  { Isa::multiply(a, b) } -> std::same_as<typename Isa::Floats>;
  { Isa::divide(a, b) } -> std::same_as<typename Isa::Floats>;
  { Isa::square_root(a) } -> std::same_as<typename Isa::Floats>;
  { Isa::multiply_add(a, b, c) } -> std::same_as<typename Isa::Floats>;
  { Isa::bit_or(a, b) } -> std::same_as<typename Isa::Floats>;
  { Isa::absolute(a) } -> std::same_as<typename Isa::Floats>;
  { Isa::min(a, b) } -> std::same_as<typename Isa::Floats>;       // b if a is NaN
  { Isa::max(a, b) } -> std::same_as<typename Isa::Floats>;       // b if a is NaN
  { Isa::clamp(a, b, c) } -> std::same_as<typename Isa::Floats>;  // propagates NaN
  { Isa::at_least(a, b) } -> std::same_as<typename Isa::Floats>;
  { Isa::where_less(a, b, a, c) } -> std::same_as<typename Isa::Floats>;
  { Isa::any_at_least(a, b) } -> std::same_as<bool>;
  { Isa::total(a) } -> std::same_as<float>;
  { Isa::largest(a) } -> std::same_as<float>;
  { Isa::nearest(a) } -> std::same_as<typename Isa::Floats>;  // half to even
  { Isa::round(a) } -> std::same_as<typename Isa::Ints>;      // half to even
  { Isa::to_floats(n) } -> std::same_as<typename Isa::Floats>;
  { Isa::scale(a, b) } -> std::same_as<typename Isa::Floats>;  // a * 2^b
  { Isa::to_grid_exactly(a, step) } -> std::same_as<typename Isa::Ints>;
};

// The micro-kernel multiplies kDepth k of kRowStep rows of the lhs by a panel of the rhs (packing.h), in kParts parts,
// with kPanelRegisters accumulators.
template <class Isa>
concept MicroKernel = requires(const std::uint8_t* bytes, typename Isa::Lhs* lhs, const typename Isa::Lhs* const* rows,
                               const std::int8_t* rhs, const std::int32_t* start, std::int32_t* c,
                               typename Isa::Accumulator acc, std::size_t at) {
  typename Isa::RhsRegister;
  { Isa::kTilePanels + Isa::kVectorPanels } -> std::convertible_to<int>;  // panels of a tile; of a tile of one row
  { Isa::tile_rows(1) } -> std::convertible_to<int>;                      // mr for a number of panels
  { Isa::kRowStep + Isa::kDepth + Isa::kParts + Isa::kPanelRegisters } -> std::convertible_to<int>;
  { Isa::kLhsSigned } -> std::convertible_to<bool>;
  Isa::convert(bytes, std::uint8_t{}, lhs);  // sixteen bytes, after XOR with 0x80 or 0, to the lhs type
  { Isa::start(start, 0) } -> std::same_as<typename Isa::Accumulator>;
  { Isa::rhs(rhs, 0, 0) } -> std::same_as<typename Isa::RhsRegister>;
  { Isa::dot(acc, Isa::lhs(rows, at, 0), Isa::rhs(rhs, 0, 0)) } -> std::same_as<typename Isa::Accumulator>;
  Isa::store_accumulators(c, at, &acc);
};

// Packing of an rhs that is computed while the model runs.
template <class Isa>
concept Packs =
    requires(typename Isa::Ints sums, const std::int8_t* p, const std::uint8_t* const (&rows)[4], std::int8_t* to) {
      { Isa::add_fours(sums, p) } -> std::same_as<typename Isa::Ints>;  // adds the four bytes of each column to its sum
      Isa::interleave_rows(rows, std::uint8_t{}, to);                   // sixteen bytes of four rows, column by column
    };

template <class Isa>
concept InstructionSet = HasRegisters<Isa> && LoadsAndStores<Isa> && IntegerArithmetic<Isa> && FloatArithmetic<Isa> &&
                         MicroKernel<Isa> && Packs<Isa> && requires {
                           { Isa::kTableBytes } -> std::convertible_to<std::size_t>;
                         };

// Optional: masked loads and stores of the first lanes of a block, which is then one register.
// Fallback: the end of a row goes through padded memory.
template <class Isa>
concept HasMasks = requires(const float* x, float* y, std::uint8_t* q, std::size_t count, typename Isa::Floats v,
                            typename Isa::Ints i) {
  Isa::load_first(x, count, 0.0f);
  Isa::store_first(y, count, v);
  Isa::store_first(q, count, i);
};

// Optional: masked loads of the first bytes, widened. Fallback: padded memory.
template <class Isa>
concept WidensFirst = requires(const std::uint8_t* p, std::size_t count) { Isa::widen_first(p, count); };

// Optional: looks up kTableBytes bytes at once in a table of 256. Fallback (kTableBytes is 1): one by one.
template <class Isa>
concept LooksUp = Isa::kTableBytes > 1;

// Optional: epilogues that pack four registers into 64 bytes, Clipped to any grid and FusedRelu to one that starts at
// 0. Fallback: sixteen lanes at a time, by store_low_bytes.
template <class Isa>
concept PacksBytes = requires {
  typename Isa::Clipped;
  typename Isa::FusedRelu;
  requires Isa::kPacksBytes;
};

// Optional: a panel of the rhs is widened once for many rows of the lhs. Fallback: rhs() widens it in each step.
template <class Isa>
concept WidensRhs = requires { Isa::Widened::kRhsSize; };

// Bytes per value of the rhs where rhs() reads it: Isa::kRhsSize, or 1.
template <class Isa>
constexpr std::size_t kRhsSize = 1;
template <class Isa>
  requires requires { Isa::kRhsSize; }
constexpr std::size_t kRhsSize<Isa> = Isa::kRhsSize;

// Optional: an empty asm statement that keeps a value in a register. Fallback: the compiler decides.
template <class Isa>
concept PinsRegisters = requires(typename Isa::Accumulator v) { Isa::pin(v); };

// Optional: the epilogue of one tile runs between the steps of the next. Fallback: after the tile.
template <class Isa>
concept OverlapsEpilogue = requires { Isa::kOverlapsEpilogue; };

// Optional: fewer rows of a tile where a residual add needs registers. Fallback: tile_rows.
template <class Isa>
concept LimitsResidualRows = requires { Isa::residual_rows(1); };

// Optional: 3-wide convolutions of sixteen channels along a line. Fallback: implicit GEMM.
template <class Isa>
concept HasLineKernel = requires { Isa::kLineRows; };

// Optional: depthwise convolution of kChannels channels, four kernel positions at a time. Fallback: sixteen channels,
// one position at a time.
template <class Isa>
concept InterleavesChannels = requires { Isa::kChannels; };

// Optional: interleaves the planes of an image to pixels, kPixels at a time. Fallback: byte by byte.
template <class Isa, int Channels>
concept InterleavesPlanes = requires(const std::uint8_t* from, typename Isa::Lhs* to) {
  Isa::template interleave_planes<Channels>(from, std::size_t{}, std::uint8_t{}, to);
};

}  // namespace
}  // namespace octavo
