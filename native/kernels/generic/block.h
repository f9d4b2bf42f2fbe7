// What all kernels share: they work on blocks of sixteen values, held in as many registers as that takes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#define OCTAVO_INLINE inline __attribute__((always_inline))
// Of loops over registers: left rolled, they make the compiler keep the registers in memory.
#define OCTAVO_UNROLL _Pragma("GCC unroll 32")

namespace octavo {
namespace {

constexpr std::size_t kBlock = 16;

template <class Isa>
constexpr int kRegisters = kBlock / Isa::kLanes;

// Calls body(source, target) for each sixteen values; the last, fewer, go through memory of their own.
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
