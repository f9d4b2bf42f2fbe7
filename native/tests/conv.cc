// Convolutions of an instruction set compared with plain loops.
#include <sys/mman.h>
#include <unistd.h>

#include "kernels/kernels.h"
#include "kernels/packing.h"
#include "tests/check.h"
#include "tests/residual.h"
#include "tests/tests.h"

namespace octavo::tests {
namespace {

std::size_t size(int value) { return static_cast<std::size_t>(value); }

// An image, a window, and the GEMM's constants; every column of the weights is an output channel.
struct Case {
  Pixels image{};
  Stride2d window{};
  std::size_t out_h, out_w, n;
  std::vector<std::uint8_t> bytes;
  std::vector<std::int8_t> weights;  // (height, width, channels, n)
  std::vector<std::int32_t> bias;
  std::vector<float> multiplier;
  Gemm product{};

  explicit Case(Random& random) {
    image.h = size(random.between(1, 9));
    image.w = size(random.pick({random.between(1, 11), random.between(12, 40), random.between(41, 140)}));
    window.kernel_h = size(random.pick({1, 3, random.between(1, 4)}));
    window.kernel_w = size(random.pick({1, 3, random.between(1, 4)}));
    window.stride_h = size(random.between(1, 3));
    window.stride_w = size(random.pick({1, 1, 2, 3}));
    window.dilation_h = size(random.pick({1, 1, 2}));
    window.dilation_w = size(random.pick({1, 1, 1, 2}));
    window.top = size(random.between(0, 2));
    window.left = size(random.between(0, 2));
    measure();
  }

  // The common depthwise window, which has a specialized kernel; a window may lie entirely in the padding.
  void make_3x3(Random& random) {
    image.w = size(random.pick({1, 2, 7, random.between(1, 24)}));
    window.kernel_h = window.kernel_w = 3;
    window.stride_h = window.stride_w = size(random.pick({1, 1, 2, random.between(1, 3)}));
    window.dilation_h = window.dilation_w = 1;
    window.top = size(random.pick({0, 1, random.between(0, 4)}));
    window.left = size(random.pick({0, 1, random.between(0, 4)}));
    measure();
  }

  void measure() {
    out_h = window_positions(image.h + window.top, window.kernel_h, window.dilation_h, window.stride_h);
    out_w = window_positions(image.w + window.left, window.kernel_w, window.dilation_w, window.stride_w);
  }

  // The number of output positions that fit, plus one for odd lengths, which takes padding at the end.
  static std::size_t window_positions(std::size_t length, std::size_t kernel, std::size_t dilation,
                                      std::size_t stride) {
    const std::size_t reach = (kernel - 1) * dilation + 1;
    return (length > reach ? (length - reach) / stride : 0) + 1 + (length % 2);
  }

  void fill(Random& random, std::size_t channels, std::size_t all_channels, std::size_t columns, bool planar) {
    n = columns;
    image.channels = channels;
    image.pixel = planar ? 1 : all_channels;
    image.channel = planar ? image.h * image.w : 1;
    bytes.resize(image.h * image.w * all_channels);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random.between(0, 255));
    image.data = bytes.data();
    const std::size_t width = panels(n) * kPanelColumns;
    bias.resize(width);
    multiplier.resize(width);
    for (auto& value : bias) value = random.between(-100'000, 100'000);
    for (auto& value : multiplier) value = random.real(1e-5f, 1e-2f);
    product.n = n;
    product.a_signed = random.between(0, 1) == 1;
    product.a_zero = product.a_signed ? random.between(-128, 127) : random.between(0, 255);
    product.bias = bias.data();
    product.multiplier = multiplier.data();
    product.c_stride = n;
    product.low = random.pick({-128, 0});
    product.high = product.low + 255;
    product.zero_point = random.between(product.low, product.high);
  }

  // The pixel minus the zero point; 0 outside the image.
  int centered(std::size_t y, std::size_t x, std::size_t channel) const {
    if (y < window.top || x < window.left || y - window.top >= image.h || x - window.left >= image.w) return 0;
    const std::size_t pixel = (y - window.top) * image.w + x - window.left;
    const std::uint8_t byte = image.data[pixel * image.pixel + channel * image.channel];
    return (product.a_signed ? static_cast<std::int8_t>(byte) : byte) - product.a_zero;
  }

  // The accumulator of one output channel over the input channels [first, first + channels).
  std::int32_t sum(std::size_t y, std::size_t x, std::size_t column, std::size_t first, std::size_t channels) const {
    std::int32_t total = bias[column];
    for (std::size_t i = 0; i < window.kernel_h * window.kernel_w; ++i) {
      const std::size_t row = y * window.stride_h + i / window.kernel_w * window.dilation_h;
      const std::size_t at = x * window.stride_w + i % window.kernel_w * window.dilation_w;
      for (std::size_t c = 0; c < channels; ++c) {
        total += centered(row, at, first + c) * weights[(i * channels + c) * n + column];
      }
    }
    return total;
  }
};

// The float results: accumulator times multiplier, rounded once.
std::vector<float> plain_floats(const Case& c, bool depthwise) {
  std::vector<float> floats;
  for (std::size_t i = 0; i < c.out_h * c.out_w * c.n; ++i) {
    const std::size_t column = i % c.n, y = i / c.n / c.out_w, x = i / c.n % c.out_w;
    const std::int32_t sum = depthwise ? c.sum(y, x, column, column, 1) : c.sum(y, x, column, 0, c.image.channels);
    floats.push_back(static_cast<float>(sum) * c.multiplier[column]);
  }
  return floats;
}

// The floats requantized to 8 bits: clip, one rounding half to even, zero point.
std::vector<std::uint8_t> plain_bytes(const Case& c, const std::vector<float>& floats) {
  std::vector<std::uint8_t> bytes;
  for (const float value : floats) {
    const float low = static_cast<float>(c.product.low - c.product.zero_point);
    const float high = static_cast<float>(c.product.high - c.product.zero_point);
    const float clipped = value < low ? low : value > high ? high : value;
    bytes.push_back(static_cast<std::uint8_t>(static_cast<int>(__builtin_rintf(clipped)) + c.product.zero_point));
  }
  return bytes;
}

// Computes the output rows in two calls, as two threads would.
template <class Work, class Run, class Size>
void in_two_parts(Work work, Random& random, std::size_t rows, const Run& run, const Size& scratch_bytes) {
  work.rows = rows;
  Scratch scratch(scratch_bytes(work));
  const std::size_t first = size(random.between(0, static_cast<int>(rows)));
  for (const auto& [begin, end] : {std::pair(std::size_t{0}, first), std::pair(first, rows)}) {
    if (begin == end) continue;
    work.first_row = begin;
    work.rows = end - begin;
    run(work, scratch.get());
  }
}

template <class T, class Work, class Run, class Size>
std::vector<T> result_of(const Case& c, Work work, Output output, Random& random, const Run& run, const Size& bytes) {
  std::vector<T> result(c.out_h * c.out_w * c.n);
  work.product.output = output;
  work.product.c = result.data();
  in_two_parts(work, random, c.out_h, run, bytes);
  return result;
}

template <class Work, class Run, class Size>
void check(const Case& c, const Work& work, bool depthwise, const char* isa, const char* what, Random& random,
           int round, const Run& run, const Size& bytes) {
  const auto floats = plain_floats(c, depthwise);
  check_same(result_of<float>(c, work, Output::kFloat, random, run, bytes), floats, isa, what, round);
  check_same(result_of<std::uint8_t>(c, work, Output::kBytes, random, run, bytes), plain_bytes(c, floats), isa, what,
             round);
}

// The weights with k in zero-padded segments.
std::vector<std::int8_t> segmented(const Case& c) {
  const std::size_t length = segment_length(c.window, c.image.channels);
  const std::size_t depth = segment_depth(c.window, c.image.channels), segments = conv_segments(c.window);
  std::vector<std::int8_t> matrix(segments * depth * c.n);
  for (std::size_t i = 0; i < segments * length; ++i) {
    for (std::size_t j = 0; j < c.n; ++j) matrix[(i / length * depth + i % length) * c.n + j] = c.weights[i * c.n + j];
  }
  return matrix;
}

// Cases outside a kernel's fast path: any zero point, and in some channels accumulators that float32 cannot represent
// exactly, or multipliers that are negative or overflow 32 bits.
void make_special(Case& c, Random& random) {
  c.product.zero_point = random.pick({0, 0, c.product.low, c.product.zero_point});
  for (int i = random.pick({0, 1, 4}); i > 0; --i) {
    const std::size_t channel = size(random.between(0, static_cast<int>(c.n) - 1));
    if (random.between(0, 1) == 1) {
      c.bias[channel] =
          random.pick({-1, 1}) * random.pick({(1 << 23) + random.between(-600'000, 600'000), 1 << 30, 1 << 30});
    } else {
      c.multiplier[channel] = random.pick({-1e-4f, 1e6f});
    }
  }
}

}  // namespace

void test_conv(const Kernels& kernels, const Kernels& scalar, Random& random, int round) {
  Case c(random);
  const std::size_t channels = size(random.pick({1, 3, 8, 16, random.between(1, 20)}));
  const bool planar = random.between(0, channels == 3 ? 1 : 3) == 0;
  const std::size_t others = planar ? 0 : size(random.pick({0, 0, 5}));
  c.fill(random, channels, channels + others, size(random.pick({1, 16, 24, random.between(1, 90)})), planar);
  c.weights.resize(c.window.kernel_h * c.window.kernel_w * channels * c.n);
  for (auto& weight : c.weights) weight = static_cast<std::int8_t>(random.between(-128, 127));
  const auto matrix = segmented(c);
  const std::size_t k = conv_segments(c.window) * segment_depth(c.window, channels);
  std::vector<std::int8_t> packed(panels(c.n) * panel_bytes(k));
  std::vector<std::int32_t> sums(panels(c.n) * kPanelColumns);
  pack_panels(matrix.data(), k, c.n, static_cast<std::ptrdiff_t>(c.n), 1, packed.data(), sums.data());
  c.product.k = k;
  c.product.b = packed.data();
  c.product.b_sums = sums.data();
  if (random.between(0, 1) == 1) make_special(c, random);
  Conv conv{c.product, c.image, c.window, c.out_w, 0, 0};
  check(c, conv, false, kernels.name, "conv", random, round, kernels.conv, kernels.conv_scratch);

  std::vector<std::uint8_t> other(c.out_h * c.out_w * c.n);
  for (auto& byte : other) byte = static_cast<std::uint8_t>(random.between(0, 255));
  const Residual residual = random_residual(random, other);
  conv.product.residual = &residual;
  const auto actual = result_of<std::uint8_t>(c, conv, Output::kResidual, random, kernels.conv, kernels.conv_scratch);
  check_same(actual, with_residual(scalar, conv.product, plain_bytes(c, plain_floats(c, false))), kernels.name,
             "conv with an residual", round);
}

namespace {

// A copy of bytes that ends at a protected page, so that reads beyond it crash.
class GuardedCopy {
 public:
  explicit GuardedCopy(const std::vector<std::uint8_t>& bytes) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE)), used = (bytes.size() / page + 1) * page;
    size_ = used + page;
    memory_ =
        static_cast<std::uint8_t*>(mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (memory_ == MAP_FAILED || mprotect(memory_ + used, page, PROT_NONE) != 0) std::abort();
    copy_ = memory_ + used - bytes.size();
    std::memcpy(copy_, bytes.data(), bytes.size());
  }
  GuardedCopy(const GuardedCopy&) = delete;
  ~GuardedCopy() { munmap(memory_, size_); }
  const std::uint8_t* get() const { return copy_; }

 private:
  std::size_t size_;
  std::uint8_t *memory_, *copy_;
};

}  // namespace

void test_depthwise(const Kernels& kernels, const Kernels&, Random& random, int round) {
  Case c(random);
  if (random.between(0, 2) != 0) c.make_3x3(random);
  const int around = random.pick({16, 32, 64, 128, 192}) + random.between(-1, 1);
  const std::size_t channels = size(random.pick({1, 16, 24, 64, 96, 144, around, random.between(1, 200)}));
  c.fill(random, channels, channels, channels, false);
  make_special(c, random);
  const GuardedCopy image(c.bytes);
  c.image.data = image.get();
  c.weights.resize(c.window.kernel_h * c.window.kernel_w * channels);
  for (auto& weight : c.weights) weight = static_cast<std::int8_t>(random.between(-128, 127));
  std::vector<std::int32_t> sums(channels);
  for (std::size_t i = 0; i < c.weights.size(); ++i) sums[i % channels] += c.weights[i];
  c.product.b_sums = sums.data();
  check(c, Depthwise{c.product, c.image, c.window, c.weights.data(), c.out_w, 0, 0}, true, kernels.name, "depthwise",
        random, round, kernels.depthwise, kernels.depthwise_scratch);
}

}  // namespace octavo::tests
