// The kernels, as one table of functions for each instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/needs.h"

namespace octavo {

// q = clip(round(x / scale) + zero_point, low, high); the grid lies within the 8 bits of its type.
struct Mapping {
  float scale;
  std::int32_t zero_point;
  std::int32_t low;
  std::int32_t high;
};

// The smallest and largest finite value (+infinity and -infinity where there is none), and what was not finite.
struct Ends {
  float low;
  float high;
  std::uint64_t nans;
  std::uint64_t infs;
};

struct Kernels {
  const char* name;
  Needs needs;

  // Bytes of either sign: a grid's integers have the same low eight bits whichever type holds them.
  void (*quantize)(const float* x, std::size_t count, const Mapping& mapping, std::uint8_t* q);
  void (*dequantize_u8)(const std::uint8_t* q, std::size_t count, const Mapping& mapping, float* x);
  void (*dequantize_s8)(const std::int8_t* q, std::size_t count, const Mapping& mapping, float* x);

  // Widens `ends` by the values and counts them into `bins` (histogram.h), which may be null.
  void (*sketch)(const float* x, std::size_t count, Ends& ends, std::int64_t* bins);
};

}  // namespace octavo
