// The kernels of an instruction set as a table of functions.
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

// Minimum and maximum of the finite values (+infinity and -infinity if there are none), and counts of the others.
struct Ends {
  float low;
  float high;
  std::uint64_t nans;
  std::uint64_t infs;
};

// Zero point, added after rounding, and bounds of an 8-bit output.
struct Clip {
  std::int32_t zero_point;
  std::int32_t low;
  std::int32_t high;
  bool is_signed;
};

// kResidual: 8 bits as for kBytes, then a residual add, with the results of two separate operators.
enum class Output { kInt32, kFloat, kBytes, kResidual };

// The residual of kResidual, laid out like c. The grid of the product has `own_scale`; c is on the grid `result`.
struct Residual {
  const std::uint8_t* data;
  bool is_signed;
  float scale;
  std::int32_t zero_point;
  float own_scale;
  Mapping result;
};

// c = sum over k of (a - a_zero)(b - b_zero) + bias as int32, which wraps; for other outputs times the multiplier of
// the column, and for 8 bits clip(round(...) + zero_point, low, high). Per-column arrays are padded to whole panels
// (packing.h).
struct Gemm {
  std::size_t m;
  std::size_t n;
  std::size_t k;

  const std::uint8_t* a;  // m rows of k bytes, signed or not
  std::size_t a_stride;   // bytes from row to row
  bool a_signed;
  std::int32_t a_zero;

  const std::int8_t* b;        // packed
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

// The geometry of a window.
struct Stride2d {
  std::size_t kernel_h, kernel_w;
  std::size_t stride_h, stride_w;
  std::size_t dilation_h, dilation_w;
  std::size_t top, left;  // padding
};

// An image or some of its channels; elements are signed or unsigned bytes.
struct Pixels {
  const std::uint8_t* data;
  std::size_t h, w, channels;
  std::size_t pixel;    // elements from a pixel to the next
  std::size_t channel;  // elements from a channel to the next
};

// Output rows of a convolution, for one sample and one group. Of `product`, n, k, b and the fields behind b are used; c
// is the first pixel of the output, c_stride the distance between pixels. k runs over kernel rows of kernel_w *
// channels values each (with dilation_w over kernel positions of `channels` each), padded to segment_depth.
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

// Output rows of a depthwise convolution, channels last, for one sample. Of `product`, type and zero point of the lhs,
// b_sums, bias and the fields behind it are used; c_stride is the number of channels. `weights` has a row of channels
// for each kernel position.
struct Depthwise {
  Gemm product;
  Pixels image;
  Stride2d window;
  const std::int8_t* weights;
  std::size_t out_w;
  std::size_t first_row, rows;
};

// Elementwise add or multiply of two quantized rows: c = clip(round((a + b) / scale) + zero_point, low, high) of their
// dequantized values, or the same with a * b.
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

// An rhs that is packed while the model runs; element (i, j) is b[i * k_stride + j * n_stride].
struct RhsSource {
  const std::uint8_t* b;
  std::size_t k;
  std::size_t n;
  std::ptrdiff_t k_stride;
  std::ptrdiff_t n_stride;
  std::uint8_t flip;  // 0x80 for u8
};

// Unary functions of float32; bundles store these numbers.
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

// Two float32 rows and their elementwise result, which may be a or b; a step of 0 broadcasts one value.
struct Pair {
  const float* a;
  std::size_t a_step;
  const float* b;
  std::size_t b_step;
  std::size_t count;
  float* c;
};

// Rows that softmax and layer normalization process together.
inline constexpr std::size_t kRowsTogether = 4;

// Contiguous rows of a softmax; mask rows, if any, are mask_stride apart. y may be x. If q is not null, the result is
// quantized to q and y is clobbered.
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

// Contiguous rows of a layer normalization. bias, skip and shift may be null. If q is not null, the result is quantized
// to q and y is scratch for kRowsTogether rows.
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

// A float32 row of GEMM outputs: adds a bias, applies a function, and quantizes.
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

// Channels of pixels that are `step` elements apart; elements are signed or unsigned bytes.
struct PixelRow {
  const std::uint8_t* data;
  bool is_signed;
  std::size_t step;
  std::size_t pixels;
  std::size_t channels;
};

struct Kernels {
  const char* name;
  CpuFeatures features;  // required of the processor

  // For signed and unsigned bytes: the integers of a grid have the same low eight bits in both.
  void (*quantize)(const float* x, std::size_t count, const Mapping& mapping, std::uint8_t* q);
  void (*dequantize_u8)(const std::uint8_t* q, std::size_t count, const Mapping& mapping, float* x);
  void (*dequantize_s8)(const std::int8_t* q, std::size_t count, const Mapping& mapping, float* x);

  // Widens `ends` by the values, and counts every `stride`-th of them into `bins` (histogram.h).
  void (*sketch)(const float* x, std::size_t count, std::size_t stride, Ends& ends, std::int64_t* bins);

  // `scratch` has gemm_scratch(m, k) bytes and the alignment of a cache line.
  void (*gemm)(const Gemm& gemm, void* scratch);
  std::size_t (*gemm_scratch)(std::size_t m, std::size_t k);

  // As for gemm; `rows` may be fewer than the scratch was sized for.
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

  // On float32. Bit-identical on every instruction set: no fused multiply-add, and a fixed order of sums.
  void (*apply)(Function function, float a, float b, const float* x, std::size_t count, float* y);
  void (*combine)(Arithmetic arithmetic, const Pair& pair);
  float (*row_sum)(const float* x, std::size_t count);
  float (*row_max)(const float* x, std::size_t count);
  void (*softmax)(const Softmax& softmax);
  void (*layer_norm)(const LayerNorm& norm);
  void (*activate)(const Activation& row);

  void (*look_up)(const std::uint8_t* x, std::size_t count, const std::uint8_t* table, std::uint8_t* y);

  // Peak rate of the dot instruction of gemm: `rounds` of it on registers alone; returns the number of multiply-adds.
  std::uint64_t (*dots)(std::uint64_t rounds);
};

}  // namespace octavo
