// GEMM of an instruction set compared with plain loops.
#include "kernels/kernels.h"
#include "kernels/packing.h"
#include "tests/check.h"
#include "tests/residual.h"
#include "tests/tests.h"

namespace octavo::tests {
namespace {

template <class T>
std::vector<T> bytes(Random& random, std::size_t count, int low, int high) {
  // Sometimes all at one bound of the grid.
  const int least = random.between(0, 5) == 0 ? high : low;
  std::vector<T> values(count);
  for (T& value : values) value = static_cast<T>(random.between(least, high));
  return values;
}

std::vector<std::int32_t> integers(Random& random, std::size_t count, int low, int high) {
  std::vector<std::int32_t> values(count);
  for (std::int32_t& value : values) value = random.between(low, high);
  return values;
}

std::vector<std::int32_t> plain_sums(const Gemm& gemm, const std::vector<std::int8_t>& b) {
  std::vector<std::int32_t> sums;
  for (std::size_t i = 0; i < gemm.m; ++i) {
    for (std::size_t j = 0; j < gemm.n; ++j) {
      std::uint32_t sum = gemm.bias == nullptr ? 0 : static_cast<std::uint32_t>(gemm.bias[j]);
      for (std::size_t k = 0; k < gemm.k; ++k) {
        const std::uint8_t byte = gemm.a[i * gemm.a_stride + k];
        const int a = gemm.a_signed ? static_cast<std::int8_t>(byte) : byte;
        const int b_zero = gemm.b_zero == nullptr ? 0 : gemm.b_zero[j];
        sum += static_cast<std::uint32_t>((a - gemm.a_zero) * (b[k * gemm.n + j] - b_zero));
      }
      sums.push_back(static_cast<std::int32_t>(sum));
    }
  }
  return sums;
}

// The reference of Output::kResidual: requantization to 8 bits, then a separate residual add by the scalar kernel.
std::vector<std::uint8_t> separate_residual(const Kernels& scalar, Gemm gemm) {
  std::vector<std::uint8_t> own(gemm.m * gemm.n);
  Scratch scratch(scalar.gemm_scratch(gemm.m, gemm.k));
  gemm.output = Output::kBytes;
  gemm.c = own.data();
  gemm.c_stride = gemm.n;
  scalar.gemm(gemm, scratch.get());
  return with_residual(scalar, gemm, own);
}

template <class T>
std::vector<T> run(const Kernels& kernels, Gemm gemm, Output output) {
  std::vector<T> c(gemm.m * gemm.n);
  Scratch scratch(kernels.gemm_scratch(gemm.m, gemm.k));
  gemm.output = output;
  gemm.c = c.data();
  gemm.c_stride = gemm.n;
  kernels.gemm(gemm, scratch.get());
  return c;
}

}  // namespace

void test_gemm(const Kernels& kernels, const Kernels& scalar, Random& random, int round) {
  Gemm gemm{};
  gemm.m = static_cast<std::size_t>(random.pick({1, 2, 13, random.between(1, 40)}));
  gemm.n = static_cast<std::size_t>(random.pick({1, 16, 64, 67, random.between(1, 140)}));
  gemm.k = static_cast<std::size_t>(random.pick({0, 1, 4, 8, 31, 64, random.between(1, 200)}));
  gemm.a_signed = random.between(0, 1);
  const int low = gemm.a_signed ? -128 : 0, high = low + 255;
  gemm.a_zero = random.pick({low, high, 0, random.between(low, high)});
  gemm.a_stride = gemm.k + static_cast<std::size_t>(random.between(0, 3));
  const auto a = bytes<std::uint8_t>(random, gemm.m * gemm.a_stride, 0, 255);
  const auto b = bytes<std::int8_t>(random, gemm.k * gemm.n, -128, 127);
  gemm.a = a.data();

  const std::size_t width = panels(gemm.n) * kPanelColumns;
  std::vector<std::int8_t> packed(panels(gemm.n) * panel_bytes(gemm.k));
  std::vector<std::int32_t> b_sums(width);
  pack_panels(b.data(), gemm.k, gemm.n, static_cast<std::ptrdiff_t>(gemm.n), 1, packed.data(), b_sums.data());
  const auto b_zero = integers(random, width, -128, 127);
  // Sometimes accumulators around 2^23, the largest that the fast path of outputs with Relu accepts.
  const int most = random.pick({1'000'000, 1'000'000, 9'000'000});
  const auto bias = integers(random, width, -most, most);
  const float least = 0x1p-126f, largest = random.pick({0x1.fffffep-1f, 0x1.fffffep-1f, 1.0f, 3e38f});
  std::vector<float> multiplier(width);
  for (float& value : multiplier)
    value = random.pick({random.real(1e-5f, 1e-2f), random.real(0, 1e-4f), least, largest});
  gemm.b = packed.data();
  gemm.b_sums = b_sums.data();
  gemm.b_zero = random.between(0, 1) ? b_zero.data() : nullptr;
  gemm.bias = random.between(0, 1) ? bias.data() : nullptr;
  gemm.multiplier = multiplier.data();
  gemm.low = random.pick({-128, -127, 0, 0});
  gemm.high = gemm.low + 200;
  gemm.zero_point = random.pick({gemm.low, gemm.low, gemm.high, random.between(gemm.low, gemm.high)});

  check_same(run<std::int32_t>(kernels, gemm, Output::kInt32), plain_sums(gemm, b), kernels.name, "gemm", round);
  check_same(run<float>(kernels, gemm, Output::kFloat), run<float>(scalar, gemm, Output::kFloat), kernels.name,
             "gemm to float", round);
  check_same(run<std::uint8_t>(kernels, gemm, Output::kBytes), run<std::uint8_t>(scalar, gemm, Output::kBytes),
             kernels.name, "gemm to bytes", round);

  const auto other = bytes<std::uint8_t>(random, gemm.m * gemm.n, 0, 255);
  const Residual residual = random_residual(random, other);
  gemm.residual = &residual;
  check_same(run<std::uint8_t>(kernels, gemm, Output::kResidual), separate_residual(scalar, gemm), kernels.name,
             "gemm with an residual", round);
}

}  // namespace octavo::tests
