// Packs an rhs that is computed while the model runs: panels and column sums as in packing.h. The sign bit of u8 values
// is flipped, which lowers values and zero point by 128.
#pragma once

#include "kernels/generic/block.h"
#include "kernels/kernels.h"
#include "kernels/packing.h"

namespace octavo {
namespace {

// Up to four k by sixteen columns, byte by byte; the rest is zero.
inline void pack_group(const RhsSource& right, std::size_t k, std::size_t column, std::int8_t* packed) {
  std::memset(packed, 0, kGroupBytes);
  for (std::size_t j = column; j < right.n && j < column + kPanelColumns; ++j) {
    for (std::size_t i = k; i < right.k && i < k + kGroupDepth; ++i) {
      const std::uint8_t byte =
          right.b[static_cast<std::ptrdiff_t>(i) * right.k_stride + static_cast<std::ptrdiff_t>(j) * right.n_stride];
      packed[(j - column) * kGroupDepth + i - k] = static_cast<std::int8_t>(byte ^ right.flip);
    }
  }
}

// Sixteen complete columns with contiguous k.
inline void pack_columns(const RhsSource& right, std::size_t groups, std::size_t column, std::int8_t* packed) {
  const std::uint32_t flip = 0x01010101u * right.flip;
  for (std::size_t j = 0; j < kPanelColumns; ++j) {
    const std::uint8_t* from = right.b + static_cast<std::ptrdiff_t>(column + j) * right.n_stride;
    for (std::size_t g = 0; g < groups; ++g) {
      std::uint32_t four;
      std::memcpy(&four, from + g * kGroupDepth, sizeof four);
      four ^= flip;
      std::memcpy(packed + g * kGroupBytes + j * kGroupDepth, &four, sizeof four);
    }
  }
}

// Four complete k at a time with contiguous columns.
template <class Isa>
void pack_rows(const RhsSource& right, std::size_t groups, std::size_t column, std::int8_t* packed) {
  const std::uint8_t* from = right.b + column;
  for (std::size_t g = 0; g < groups; ++g, from += kGroupDepth * right.k_stride, packed += kGroupBytes) {
    const std::uint8_t* const rows[] = {from, from + right.k_stride, from + 2 * right.k_stride,
                                        from + 3 * right.k_stride};
    Isa::interleave_rows(rows, right.flip, packed);
  }
}

template <class Isa>
void sum_panel(const std::int8_t* packed, std::size_t bytes, std::int32_t* sums) {
  typename Isa::Ints total[kRegisters<Isa>];
  OCTAVO_UNROLL
  for (int r = 0; r < kRegisters<Isa>; ++r) total[r] = Isa::all(0);
  for (const std::int8_t* end = packed + bytes; packed < end; packed += kGroupBytes) {
    OCTAVO_UNROLL
    for (int r = 0; r < kRegisters<Isa>; ++r) {
      total[r] = Isa::add_fours(total[r], packed + static_cast<std::size_t>(r * Isa::kLanes) * kGroupDepth);
    }
  }
  OCTAVO_UNROLL
  for (int r = 0; r < kRegisters<Isa>; ++r) Isa::store(sums + r * Isa::kLanes, total[r]);
}

template <class Isa>
void pack_rhs(const RhsSource& right, std::int8_t* packed, std::int32_t* sums) {
  const std::size_t bytes = panel_bytes(right.k), whole = right.k / kGroupDepth;
  for (std::size_t column = 0; column < right.n; column += kPanelColumns, packed += bytes, sums += kPanelColumns) {
    std::size_t done = column + kPanelColumns <= right.n ? whole : 0;
    if (done != 0 && right.n_stride == 1) {
      pack_rows<Isa>(right, done, column, packed);
    } else if (done != 0 && right.k_stride == 1) {
      pack_columns(right, done, column, packed);
    } else {
      done = 0;
    }
    for (; done < bytes / kGroupBytes; ++done)
      pack_group(right, done * kGroupDepth, column, packed + done * kGroupBytes);
    sum_panel<Isa>(packed, bytes, sums);
  }
}

}  // namespace
}  // namespace octavo
