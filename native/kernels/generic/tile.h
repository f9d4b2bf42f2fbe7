// The inner loop of a product: some rows of a times some panels of b, all sums in registers.
//
// An instruction set says with how many registers a panel's sums are held (kPanelRegisters), how many rows one register
// has sums of (kRowStep), how many k it takes at a time (kDepth), in how many parts (kParts), and how many rows fill
// its registers beside that many panels (tile_rows).
//
// A row of a lies in segments: runs of k at distances that all rows share. A matrix has one, a convolution one for each
// row of its kernel.
#pragma once

#include "kernels/generic/block.h"
#include "kernels/generic/output.h"
#include "kernels/panels.h"

namespace octavo {
namespace {

static_assert(kBlock == kPanelColumns);

template <class Isa>
struct TileInput {
  const typename Isa::Left* const* rows;
  const std::size_t* segments;  // where each begins, counted from the row's first element
  std::size_t segment_count;
  std::size_t steps;  // of kDepth in each segment
  std::size_t skip;   // bytes of b behind each segment, that only fill it up
  const std::int8_t* b;
  std::size_t b_stride;       // from panel to panel
  const std::int32_t* start;  // what the sums of each column start at
};

// Where a tile's sums go: as they are to sums[row * width + column], where width is Panels * 16; or through an output
// that finishes them while they are in registers. What stands behind the last row is left.
struct TileOutput {
  std::int32_t* sums;
  const void* out;
  void* c;  // of the tile's first row and column
  std::size_t c_stride;
  std::size_t column;
  std::size_t columns;  // from there to the end of the row
  int rows;
  bool together;  // rows lie one behind the other, and `out` is made for them
};

template <class Isa, int Rows, int Panels, class Out>
OCTAVO_INLINE void store_together(const typename Isa::Sums (&held)[Rows][Panels], const Out& out,
                                  const TileOutput& output, typename Out::Element* c) {
  constexpr int kRows = Together<Panels>::kRows, kWidth = Panels * static_cast<int>(kBlock);
  each<(Rows + kRows - 1) / kRows>([&](auto group) OCTAVO_LAMBDA {
    constexpr int kFirst = group * kRows;
    if (kFirst >= output.rows) return;
    typename Isa::Sums v[kGroup];
    each<kGroup>([&](auto i) OCTAVO_LAMBDA {
      constexpr int kRow = kFirst + i / Panels;
      v[i] = held[kRow < Rows ? kRow : Rows - 1][i % Panels];
    });
    out.template store<kGroup>(v, 0, static_cast<std::size_t>((output.rows - kFirst) * kWidth), c + kFirst * kWidth);
  });
}

template <class Isa, int Rows, int Panels, class Out>
__attribute__((noinline)) void tile(const TileInput<Isa>& input, const TileOutput& output) {
  constexpr int kRight = Panels * Isa::kPanelRegisters;
  constexpr int kLeft = Rows / Isa::kRowStep;
  typename Isa::Sums held[kLeft][kRight];
  each<kRight>([&](auto v) OCTAVO_LAMBDA {
    const auto first = Isa::start(input.start + v / Isa::kPanelRegisters * kBlock, v % Isa::kPanelRegisters);
    each<kLeft>([&](auto r) OCTAVO_LAMBDA { held[r][v] = first; });
  });
  const std::int8_t* b = input.b;
  for (std::size_t segment = 0; segment < input.segment_count; ++segment) {
    const typename Isa::Left* a[Rows];
    each<Rows>([&](auto r) OCTAVO_LAMBDA { a[r] = input.rows[r] + input.segments[segment]; });
    for (std::size_t step = 0; step < input.steps; ++step) {
      each<Isa::kParts>([&](auto part) OCTAVO_LAMBDA {
        typename Isa::RightRegister right[kRight];
        each<kRight>([&](auto v) OCTAVO_LAMBDA {
          right[v] = Isa::right(b + v / Isa::kPanelRegisters * input.b_stride, v % Isa::kPanelRegisters, part);
        });
        each<kLeft>([&](auto r) OCTAVO_LAMBDA {
          const auto left = Isa::left(a + r * Isa::kRowStep, step * Isa::kDepth, part);
          each<kRight>([&](auto v) OCTAVO_LAMBDA { held[r][v] = Isa::dot(held[r][v], left, right[v]); });
        });
      });
      b += Isa::kDepth / kGroupDepth * kGroupBytes;
    }
    b += input.skip;
  }
  if constexpr (std::is_void_v<Out>) {
    each<kLeft>([&](auto r) OCTAVO_LAMBDA {
      each<Panels>([&](auto p) OCTAVO_LAMBDA {
        Isa::store_sums(output.sums + (r * Isa::kRowStep * Panels + p) * kBlock, Panels * kBlock,
                        held[r] + p * Isa::kPanelRegisters);
      });
    });
  } else {
    const Out out = *static_cast<const Out*>(output.out);
    auto* c = static_cast<typename Out::Element*>(output.c);
    if constexpr (Panels <= kGroup / 2) {
      if (output.together) return store_together<Isa, Rows, Panels>(held, out, output, c);
    }
    each<Rows>([&](auto r) OCTAVO_LAMBDA {
      if (r < output.rows) out.template store<Panels>(held[r], output.column, output.columns, c + r * output.c_stride);
    });
  }
}

template <class Isa>
using Tile = void (*)(const TileInput<Isa>&, const TileOutput&);

// Few heights, so that the code stays small; a tile may be higher than its rows, and then reads those behind them.
template <class Isa, int Panels>
struct Heights {
  static constexpr int kFull = Isa::tile_rows(Panels);
  static constexpr int kHalf = (kFull / 2 + Isa::kRowStep) / Isa::kRowStep * Isa::kRowStep;
  static constexpr int kLeast = Isa::kRowStep;

  template <class Out>
  static Tile<Isa> tile_of(int rows) {
    if (rows <= kLeast) return tile<Isa, kLeast, Panels, Out>;
    return rows <= kHalf ? tile<Isa, kHalf, Panels, Out> : tile<Isa, kFull, Panels, Out>;
  }
};

constexpr int kMostRows = 16;

}  // namespace
}  // namespace octavo
