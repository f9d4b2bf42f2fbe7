// The kernels, as one table of functions for each instruction set.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu.h"

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

// Of a result of 8 bits: what is added after rounding, and the bounds.
struct Clip {
  std::int32_t zero_point;
  std::int32_t low;
  std::int32_t high;
  bool is_signed;
};

// kResidual: to 8 bits as kBytes, then added to other 8 bits, as two operators do.
enum class Output { kInt32, kFloat, kBytes, kResidual };

// What kResidual adds: bytes that lie as c does. The product's own grid has `own_scale`; c is on the grid `result`.
struct Residual {
  const std::uint8_t* data;
  bool is_signed;
  float scale;
  std::int32_t zero_point;
  float own_scale;
  Mapping result;
};

// c = sum over k of (a - a_zero)(b - b_zero) + bias, and then as `output` says: as it is, times the column's
// multiplier, or clip(round(times the multiplier) + zero_point, low, high). Sums wrap modulo 2^32. The arrays of b's
// columns are as long as its panels (packing.h), whatever they hold beyond n.
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
  std::int32_t zero_point;  // this and the bounds for kBytes and kResidual only
  std::int32_t low;
  std::int32_t high;
  const Residual* residual;  // for kResidual only
  void* c;                   // m rows of n: int32, float or bytes
  std::size_t c_stride;      // elements from row to row
};

// How a window moves over an image.
struct Stride2d {
  std::size_t kernel_h, kernel_w;
  std::size_t stride_h, stride_w;
  std::size_t dilation_h, dilation_w;
  std::size_t top, left;  // padding
};

// The channels of an image, or some of them; elements are bytes of either sign.
struct Pixels {
  const std::uint8_t* data;
  std::size_t h, w, channels;
  std::size_t pixel;    // elements from a pixel to the next
  std::size_t channel;  // elements from a channel to the next
};

// Rows of a convolution's output, of one sample and one group. Of `product`, n, k, b and what follows it count, with c
// and c_stride at the output's first pixel and from pixel to pixel. k runs over the kernel's rows, each of kernel_w *
// channels values (with dilation_w over its positions, each of `channels`), filled up with zeros to segment_depth.
struct Conv {
  Gemm product;
  Pixels image;
  Stride2d window;
  std::size_t out_w;
  std::size_t first_row, rows;
};

static constexpr std::size_t conv_segments(const Stride2d& w) {
  return w.dilation_w == 1 ? w.kernel_h : w.kernel_h * w.kernel_w;
}
static constexpr std::size_t segment_length(const Stride2d& w, std::size_t channels) {
  return (w.dilation_w == 1 ? w.kernel_w : 1) * channels;
}
static constexpr std::size_t segment_depth(const Stride2d& w, std::size_t channels) {
  return (segment_length(w, channels) + 7) / 8 * 8;
}

// Rows of the output of a convolution whose output channel i sees input channel i only; channels last, one sample. Of
// `product`, the left's type and zero point, b_sums, bias and what follows it count; c_stride is the number of
// channels. `weights` has a row of that many bytes for each position of the kernel.
struct Depthwise {
  Gemm product;
  Pixels image;
  Stride2d window;
  const std::int8_t* weights;
  std::size_t out_w;
  std::size_t first_row, rows;
};

// Two rows of 8 bits, and what they are joined to: c = clip(round((a + b) / scale) + zero_point, low, high) of the
// numbers that their integers stand for, or the same of their product.
struct Elementwise {
  const std::uint8_t* a;
  const std::uint8_t* b;
  std::uint8_t* c;
  float a_scale, b_scale;
  std::int32_t a_zero, b_zero;
  bool a_signed, b_signed;
  bool product;
  Mapping result;
};

// c += a b, of float32 matrices whose rows are contiguous; strides are elements from row to row.
struct FloatProduct {
  const float* a;
  std::size_t a_stride;
  std::size_t rows, k, n;
  const float* b;
  std::size_t b_stride;
  float* c;
  std::size_t c_stride;
};

// The right matrix of a product that is packed while the model runs; element (i, j) is b[i * k_stride + j * n_stride].
struct RhsSource {
  const std::uint8_t* b;
  std::size_t k;
  std::size_t n;
  std::ptrdiff_t k_stride;
  std::ptrdiff_t n_stride;
  std::uint8_t flip;  // 0x80 for u8
};

// Of float32; the numbers are those of a bundle.
enum class Function {
  kClip = 1,
  kSigmoid,
  kTanh,
  kHardSigmoid,
  kHardSwish,
  kLeakyRelu,
  kErf,
  kGelu,
  kGeluTanh,
  kExp,
  kSqrt,
  kAbs,
  kNeg,
  kReciprocal,
  kElu
};
enum class Arithmetic { kAdd = 1, kSub, kMul, kDiv, kMax, kMin };

// Two rows of values and their combination, which may lie where a or b does; a step is 1, or 0 for one value.
struct Pair {
  const float* a;
  std::size_t a_step;
  const float* b;
  std::size_t b_step;
  std::size_t count;
  float* c;
};

// Rows that kernels take through their steps together.
inline constexpr std::size_t kRowsTogether = 4;

// Rows of a softmax, one behind the other; those of the mask, which may be null, are mask_stride apart. y may be x.
// Where q is not null the result goes there, and y is left with numbers of no use.
struct Softmax {
  std::size_t rows;
  std::size_t count;
  const float* x;
  const float* mask;
  std::size_t mask_stride;
  float* y;
  std::uint8_t* q;
  Mapping mapping;
};

// Rows of a layer normalization, one behind the other. Bias, skip and shift may be null. Where q is not null the result
// goes there, and y is memory for kRowsTogether rows.
struct LayerNorm {
  std::size_t rows;
  std::size_t size;
  const float* x;
  const float* bias;
  const float* skip;
  const float* scale;
  const float* shift;
  float epsilon;
  float* y;
  std::uint8_t* q;
  Mapping mapping;
};

// A row of sums that a product left as float32: a bias is added, a function applied, and the result put on a grid.
struct Activation {
  const float* x;
  const float* bias;
  std::size_t count;
  Function function;
  float a;
  float b;
  Mapping mapping;
  std::uint8_t* q;
};

// Some channels of pixels that lie `step` elements apart; elements are bytes of either sign.
struct PixelRow {
  const std::uint8_t* data;
  bool is_signed;
  std::size_t step;
  std::size_t pixels;
  std::size_t channels;
};

struct Kernels {
  const char* name;
  CpuFeatures features;  // that the processor must have

  // Bytes of either sign: a grid's integers have the same low eight bits whichever type holds them.
  void (*quantize)(const float* x, std::size_t count, const Mapping& mapping, std::uint8_t* q);
  void (*dequantize_u8)(const std::uint8_t* q, std::size_t count, const Mapping& mapping, float* x);
  void (*dequantize_s8)(const std::int8_t* q, std::size_t count, const Mapping& mapping, float* x);

  // Widens `ends` by the values, and counts every `stride`-th of them into `bins` (histogram.h).
  void (*sketch)(const float* x, std::size_t count, std::size_t stride, Ends& ends, std::int64_t* bins);

  // `scratch` has gemm_scratch(m, k) bytes and the alignment of a cache line.
  void (*gemm)(const Gemm& gemm, void* scratch);
  std::size_t (*gemm_scratch)(std::size_t m, std::size_t k);

  // As for gemm; `rows` may be fewer than those that the scratch is for.
  void (*conv)(const Conv& conv, void* scratch);
  std::size_t (*conv_scratch)(const Conv& conv);
  void (*depthwise)(const Depthwise& depthwise, void* scratch);
  std::size_t (*depthwise_scratch)(const Depthwise& depthwise);
  void (*elementwise)(const Elementwise& elementwise, std::size_t count);
  // Adds the pixels to the sum of each channel.
  void (*add_pixels)(const PixelRow& row, std::int32_t* sums);
  void (*float_product)(const FloatProduct& product);

  // Into panels(n) * panel_bytes(k) bytes, and the columns' sums into 16 * panels(n) integers.
  void (*pack_rhs)(const RhsSource& right, std::int8_t* packed, std::int32_t* sums);

  // Of float32. Every instruction set gives the same bits: nothing is fused, and sums are made in one order.
  void (*apply)(Function function, float a, float b, const float* x, std::size_t count, float* y);
  void (*combine)(Arithmetic arithmetic, const Pair& pair);
  float (*row_sum)(const float* x, std::size_t count);
  float (*row_max)(const float* x, std::size_t count);
  void (*softmax)(const Softmax& softmax);
  void (*layer_norm)(const LayerNorm& norm);
  void (*activate)(const Activation& row);

  void (*look_up)(const std::uint8_t* x, std::size_t count, const std::uint8_t* table, std::uint8_t* y);

  // The peak of the instruction that gemm stands on: rounds of it on registers alone; gives the multiply-adds made.
  std::uint64_t (*dots)(std::uint64_t rounds);
};

}  // namespace octavo
