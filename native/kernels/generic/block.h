// Shared by all kernels: blocks of sixteen values, held in kRegisters registers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#define OCTAVO_INLINE inline __attribute__((always_inline))
#define OCTAVO_LAMBDA __attribute__((always_inline))
// For loops over registers: without unrolling, the compiler spills the registers to memory.
#define OCTAVO_UNROLL _Pragma("GCC unroll 32")

namespace octavo {
namespace {

constexpr std::size_t kBlock = 16;
constexpr std::size_t kLine = 64;
constexpr std::size_t whole_lines(std::size_t bytes) { return (bytes + kLine - 1) / kLine * kLine; }

template <class Isa>
constexpr int kRegisters = kBlock / Isa::kLanes;

template <int I>
struct Index {
  OCTAVO_INLINE constexpr operator int() const { return I; }
};

template <class Body, std::size_t... I>
OCTAVO_INLINE void each_of(std::index_sequence<I...>, const Body& body) {
  (body(Index<static_cast<int>(I)>()), ...);
}

// Calls body(0), body(1), ... with compile-time constants, so that arrays indexed by them stay in registers.
template <int Count, class Body>
OCTAVO_INLINE void each(const Body& body) {
  each_of(std::make_index_sequence<Count>(), body);
}

// Splits the rows into as few parts of at most `most` rows as possible, of nearly equal height, and calls
// body(first, count) for each.
template <class Body>
OCTAVO_INLINE void each_part(std::size_t rows, std::size_t most, const Body& body) {
  std::size_t parts = (rows + most - 1) / most;
  for (std::size_t row = 0; row < rows; --parts) {
    const std::size_t high = (rows - row + parts - 1) / parts;
    body(row, static_cast<int>(high));
    row += high;
  }
}

// Calls body(source, target) for each block of sixteen values; an incomplete last block goes through padded buffers.
template <class Source, class Target, class Body>
OCTAVO_INLINE void each_block(const Source* source, std::size_t count, Target* target, Body body) {
  std::size_t i = 0;
  for (; i + kBlock <= count; i += kBlock) body(source + i, target + i);
  if (i == count) return;
  Source padded[kBlock] = {};
  Target results[kBlock];
  std::memcpy(padded, source + i, (count - i) * sizeof(Source));
  body(padded, results);
  std::memcpy(target + i, results, (count - i) * sizeof(Target));
}

}  // namespace
}  // namespace octavo
