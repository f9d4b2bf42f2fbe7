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

enum class Output { kInt32, kFloat, kBytes };

// c = sum over k of (a - a_zero)(b - b_zero) + bias, and then as `output` says: as it is, times the column's
// multiplier, or clip(round(times the multiplier) + zero_point, low, high). Sums wrap modulo 2^32. The arrays of b's
// columns are as long as its panels (panels.h), whatever they hold beyond n.
struct Gemm {
  std::size_t m;
  std::size_t n;
  std::size_t k;

  const std::uint8_t* a;  // m rows of k bytes, of either sign
  std::size_t a_stride;   // bytes from row to row
  bool a_signed;
  std::int32_t a_zero;

  const std::int8_t* b;        // in panels
  const std::int32_t* b_sums;  // of each column
  const std::int32_t* b_zero;  // of each column, or null for zeros
  const std::int32_t* bias;    // or null for zeros

  Output output;
  const float* multiplier;  // of each column; not for kInt32
  std::int32_t zero_point;  // this and the bounds for kBytes only
  std::int32_t low;
  std::int32_t high;
  void* c;               // m rows of n: int32, float or bytes
  std::size_t c_stride;  // elements from row to row
};

struct Kernels {
  const char* name;
  Needs needs;

  // Bytes of either sign: a grid's integers have the same low eight bits whichever type holds them.
  void (*quantize)(const float* x, std::size_t count, const Mapping& mapping, std::uint8_t* q);
  void (*dequantize_u8)(const std::uint8_t* q, std::size_t count, const Mapping& mapping, float* x);
  void (*dequantize_s8)(const std::int8_t* q, std::size_t count, const Mapping& mapping, float* x);

  // Widens `ends` by the values, and counts every `stride`-th of them into `bins` (histogram.h).
  void (*sketch)(const float* x, std::size_t count, std::size_t stride, Ends& ends, std::int64_t* bins);

  // `scratch` has gemm_scratch(m, k) bytes and the alignment of a cache line.
  void (*gemm)(const Gemm& gemm, void* scratch);
  std::size_t (*gemm_scratch)(std::size_t m, std::size_t k);

  // The peak of the instruction that gemm stands on: rounds of it on registers alone; gives the multiply-adds made.
  std::uint64_t (*dots)(std::uint64_t rounds);
};

}  // namespace octavo
