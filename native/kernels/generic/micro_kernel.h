// The GEMM micro-kernel: a tile of mr rows of the lhs times nr columns (whole panels) of the rhs, all accumulators in
// registers.
//
// An instruction set states how many registers the accumulators of a panel take for each row step (kPanelRegisters),
// how many rows share a register (kRowStep), how many k a step consumes (kDepth), in how many parts (kParts), and mr
// for a number of panels (tile_rows).
//
// A row of the lhs is a list of segments: contiguous runs of k at offsets that all rows share. A matrix has one, a
// convolution (implicit GEMM) one for each row of its kernel.
#pragma once

#include "kernels/generic/block.h"
#include "kernels/isa/concept.h"
#include "kernels/packing.h"

namespace octavo {
namespace {

static_assert(kBlock == kPanelColumns);

template <class Lhs>
struct TileInput {
  const Lhs* const* rows;
  const std::size_t* segments;  // offset of each segment from the first element of the row
  std::size_t segment_count;
  std::size_t steps;  // per segment, kDepth each
  std::size_t skip;   // padding bytes of b after each segment
  const std::int8_t* b;
  std::size_t b_stride;       // from panel to panel
  const std::int32_t* start;  // initial accumulator of each column
};

template <class Isa, int Rows, int Panels>
using Accumulators = typename Isa::Accumulator[Rows / Isa::kRowStep][Panels * Isa::kPanelRegisters];

template <class Isa, int Rows, int Panels>
OCTAVO_INLINE void start(const TileInput<typename Isa::Lhs>& input, Accumulators<Isa, Rows, Panels>& acc) {
  each<Panels * Isa::kPanelRegisters>([&](auto v) OCTAVO_LAMBDA {
    const auto first = Isa::start(input.start + v / Isa::kPanelRegisters * kBlock, v % Isa::kPanelRegisters);
    each<Rows / Isa::kRowStep>([&](auto r) OCTAVO_LAMBDA { acc[r][v] = first; });
  });
}

// Accumulates the steps from `at` to `end`.
template <class Isa, int Rows, int Panels>
OCTAVO_INLINE void multiply(const typename Isa::Lhs* const (&a)[Rows], std::size_t at, std::size_t end,
                            const std::int8_t*& b, std::size_t b_stride, Accumulators<Isa, Rows, Panels>& acc) {
  constexpr int kRhs = Panels * Isa::kPanelRegisters;
  for (; at != end; at += Isa::kDepth) {
    each<Isa::kParts>([&](auto part) OCTAVO_LAMBDA {
      typename Isa::RhsRegister rhs[kRhs];
      each<kRhs>([&](auto v) OCTAVO_LAMBDA {
        rhs[v] = Isa::rhs(b + v / Isa::kPanelRegisters * b_stride, v % Isa::kPanelRegisters, part);
      });
      each<Rows / Isa::kRowStep>([&](auto r) OCTAVO_LAMBDA {
        const auto lhs = Isa::lhs(a + r * Isa::kRowStep, at, part);
        each<kRhs>([&](auto v) OCTAVO_LAMBDA { acc[r][v] = Isa::dot(acc[r][v], lhs, rhs[v]); });
      });
    });
    b += Isa::kDepth / kGroupDepth * kGroupBytes * kRhsSize<Isa>;
  }
}

// Stores rows `stride` elements apart; if the panels are wider, each row overwrites the excess of the previous one.
template <class Isa, int Rows, int Panels>
OCTAVO_INLINE void store_accumulators(const Accumulators<Isa, Rows, Panels>& acc, std::size_t stride,
                                      std::int32_t* sums) {
  each<Rows / Isa::kRowStep>([&](auto r) OCTAVO_LAMBDA {
    each<Panels>([&](auto p) OCTAVO_LAMBDA {
      Isa::store_accumulators(sums + r * Isa::kRowStep * stride + p * kBlock, stride,
                              acc[r] + p * Isa::kPanelRegisters);
    });
  });
}

// Accumulates over all of k.
template <class Isa, int Rows, int Panels>
OCTAVO_INLINE void accumulate(const TileInput<typename Isa::Lhs>& input, Accumulators<Isa, Rows, Panels>& acc) {
  start<Isa, Rows, Panels>(input, acc);
  const std::int8_t* b = input.b;
  const typename Isa::Lhs* a[Rows];
  each<Rows>([&](auto r) OCTAVO_LAMBDA { a[r] = input.rows[r]; });
  for (std::size_t segment = 0; segment < input.segment_count; ++segment, b += input.skip) {
    const std::size_t at = input.segments[segment];
    multiply<Isa, Rows, Panels>(a, at, at + input.steps * Isa::kDepth, b, input.b_stride, acc);
  }
  // Pinned, so that the epilogue is not merged into the loop: the compiler would keep each accumulator in two
  // registers.
  if constexpr (PinsRegisters<Isa>) {
    each<Rows / Isa::kRowStep>([&](auto r) OCTAVO_LAMBDA {
      each<Panels * Isa::kPanelRegisters>([&](auto v) OCTAVO_LAMBDA { acc[r][v] = Isa::pin(acc[r][v]); });
    });
  }
}

template <class Isa, int Rows, int Panels>
__attribute__((noinline)) void tile(const TileInput<typename Isa::Lhs>& input, std::size_t stride, std::int32_t* sums) {
  Accumulators<Isa, Rows, Panels> acc;
  accumulate<Isa, Rows, Panels>(input, acc);
  store_accumulators<Isa, Rows, Panels>(acc, stride, sums);
}

// Runs all complete tiles of `count` rows; `to` receives the accumulators in registers.
template <class Isa, int Rows, int Panels, class To>
__attribute__((noinline)) void whole_tiles(TileInput<typename Isa::Lhs> input, To to, std::size_t count) {
  for (; count >= Rows; count -= Rows) {
    Accumulators<Isa, Rows, Panels> acc;
    accumulate<Isa, Rows, Panels>(input, acc);
    to.template store<Rows>(acc, Index<Rows>());
    input.rows += Rows;
    to.c += Rows * to.c_stride;
  }
}

// Runs a tile of which only the first `rows` rows are stored.
template <class Isa, int Rows, int Panels, class To>
__attribute__((noinline)) void part_of_tile(const TileInput<typename Isa::Lhs>& input, const To& to, int rows) {
  Accumulators<Isa, Rows, Panels> acc;
  accumulate<Isa, Rows, Panels>(input, acc);
  to.template store<Rows>(acc, rows);
}

// Runs a tile and stores its accumulators. Before every `between` steps, one piece of `background` runs, usually of the
// epilogue of the last tile: the multiplications leave most other units idle.
template <class Isa, int Rows, int Panels, class Background>
__attribute__((noinline)) void tile_overlapped(const TileInput<typename Isa::Lhs>& input, std::size_t between,
                                               Background& background, std::int32_t* sums) {
  Accumulators<Isa, Rows, Panels> acc;
  start<Isa, Rows, Panels>(input, acc);
  const std::int8_t* b = input.b;
  const typename Isa::Lhs* a[Rows];
  each<Rows>([&](auto r) OCTAVO_LAMBDA { a[r] = input.rows[r]; });
  const std::size_t* segment = input.segments;
  const std::size_t pieces = background.pieces();
  std::size_t at = *segment, here = input.steps, left = here * input.segment_count, piece = 0;
  do {
    if (piece < pieces) background.run(piece++);
    std::size_t now = between < left ? between : left;
    for (left -= now; now > 0;) {
      const std::size_t steps = now < here ? now : here, end = at + steps * Isa::kDepth;
      multiply<Isa, Rows, Panels>(a, at, end, b, input.b_stride, acc);
      at = end;
      now -= steps;
      here -= steps;
      if (here > 0 || now + left == 0) continue;
      b += input.skip;
      at = *++segment;
      here = input.steps;
    }
  } while (left > 0 || piece < pieces);
  store_accumulators<Isa, Rows, Panels>(acc, background.stride(), sums);
}

// Only a few tile heights, to keep the code small; a tile may compute more rows than are stored.
template <class Isa, int Panels, int Full = Isa::tile_rows(Panels)>
struct Heights {
  static constexpr int kFull = Full;
  static constexpr int kHalf = (kFull / 2 + Isa::kRowStep) / Isa::kRowStep * Isa::kRowStep;
  static constexpr int kLeast = Isa::kRowStep;

  // Calls run(height) for the smallest height of at least `rows`.
  template <class Run>
  static OCTAVO_INLINE void choose(int rows, const Run& run) {
    if (rows <= kLeast) return run(Index<kLeast>());
    return rows <= kHalf ? run(Index<kHalf>()) : run(Index<kFull>());
  }
};

}  // namespace
}  // namespace octavo
