// Packed layout of the rhs of a GEMM, the same for every instruction set.
//
// Contiguous panels of sixteen columns (nr). A panel is a sequence of groups of four k; a group is 64 bytes: the four k
// of column 0, of column 1, and so on. Columns and k beyond the matrix are zero, and the number of groups is even, for
// instructions that consume eight k.
#pragma once

#include <cstddef>
#include <cstdint>

namespace octavo {

inline constexpr std::size_t kPanelColumns = 16;
inline constexpr std::size_t kGroupDepth = 4;
inline constexpr std::size_t kGroupBytes = kPanelColumns * kGroupDepth;

static constexpr std::size_t panels(std::size_t n) { return (n + kPanelColumns - 1) / kPanelColumns; }
// k rounded up to whole pairs of groups.
static constexpr std::size_t panel_depth(std::size_t k) { return (k + 7) / 8 * 8; }
static constexpr std::size_t panel_bytes(std::size_t k) { return panel_depth(k) * kPanelColumns; }

// Packs the (k, n) matrix whose element (i, j) is b[i * k_stride + j * n_stride] into panels(n) * panel_bytes(k) bytes,
// and the sum of each column, zeros beyond n, into 16 * panels(n) integers.
void pack_panels(const std::int8_t* b, std::size_t k, std::size_t n, std::ptrdiff_t k_stride, std::ptrdiff_t n_stride,
                 std::int8_t* packed, std::int32_t* sums);

}  // namespace octavo
