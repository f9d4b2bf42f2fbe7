// The inner loop of a product: some rows of a times some panels of b, all sums in registers.
//
// An instruction set says with how many registers a panel's sums are held (kPanelRegisters), how many rows one register
// has sums of (kRowStep), how many k it takes at a time (kDepth), in how many parts (kParts), and how many rows and
// panels fill its registers (kTileRows, kTilePanels).
#pragma once

#include "kernels/generic/block.h"
#include "kernels/panels.h"

namespace octavo {
namespace {

static_assert(kBlock == kPanelColumns);

template <class Isa>
struct TileInput {
  const typename Isa::Left* a;
  std::size_t a_stride;  // from one kRowStep rows to the next
  const std::int8_t* b;
  std::size_t b_stride;       // from panel to panel
  std::size_t steps;          // of kDepth
  const std::int32_t* start;  // what the sums of each column start at
};

// sums[row * width + column], where width is Panels * 16.
template <class Isa, int Rows, int Panels>
__attribute__((noinline)) void tile(const TileInput<Isa>& input, std::int32_t* sums) {
  constexpr int kRight = Panels * Isa::kPanelRegisters;
  constexpr int kLeft = Rows / Isa::kRowStep;
  typename Isa::Sums held[kLeft][kRight];
  OCTAVO_UNROLL
  for (int v = 0; v < kRight; ++v) {
    const auto first = Isa::start(input.start + v / Isa::kPanelRegisters * kBlock, v % Isa::kPanelRegisters);
    OCTAVO_UNROLL
    for (int r = 0; r < kLeft; ++r) held[r][v] = first;
  }
  const typename Isa::Left* a = input.a;
  const std::int8_t* b = input.b;
  for (std::size_t step = 0; step < input.steps; ++step) {
    OCTAVO_UNROLL
    for (int part = 0; part < Isa::kParts; ++part) {
      typename Isa::RightRegister right[kRight];
      OCTAVO_UNROLL
      for (int v = 0; v < kRight; ++v) {
        right[v] = Isa::right(b + v / Isa::kPanelRegisters * input.b_stride, v % Isa::kPanelRegisters, part);
      }
      OCTAVO_UNROLL
      for (int r = 0; r < kLeft; ++r) {
        const auto left = Isa::left(a + r * input.a_stride, part);
        OCTAVO_UNROLL
        for (int v = 0; v < kRight; ++v) held[r][v] = Isa::dot(held[r][v], left, right[v]);
      }
    }
    a += Isa::kRowStep * Isa::kDepth;
    b += Isa::kDepth / kGroupDepth * kGroupBytes;
  }
  OCTAVO_UNROLL
  for (int r = 0; r < kLeft; ++r) {
    OCTAVO_UNROLL
    for (int p = 0; p < Panels; ++p) {
      Isa::store_sums(sums + (r * Isa::kRowStep * Panels + p) * kBlock, Panels * kBlock,
                      held[r] + p * Isa::kPanelRegisters);
    }
  }
}

// The tile for that many rows (a multiple of kRowStep) and panels.
template <class Isa, int Rows, int Panels>
void run_tile(int rows, int panels, const TileInput<Isa>& input, std::int32_t* sums) {
  if constexpr (Panels > 1) {
    if (panels < Panels) return run_tile<Isa, Rows, Panels - 1>(rows, panels, input, sums);
  }
  if constexpr (Rows > Isa::kRowStep) {
    if (rows < Rows) return run_tile<Isa, Rows - Isa::kRowStep, Panels>(rows, panels, input, sums);
  }
  tile<Isa, Rows, Panels>(input, sums);
}

}  // namespace
}  // namespace octavo
