// Table look-ups, sums over pixels, and packing at run time, compared with plain loops.
#include "kernels/kernels.h"
#include "kernels/packing.h"
#include "tests/check.h"
#include "tests/tests.h"

namespace octavo::tests {
namespace {

std::vector<std::uint8_t> any_bytes(Random& random, std::size_t count) {
  std::vector<std::uint8_t> values(count);
  for (std::uint8_t& value : values) value = static_cast<std::uint8_t>(random.between(0, 255));
  return values;
}

void test_look_up(const Kernels& kernels, Random& random, int round) {
  const auto table = any_bytes(random, 256), x = any_bytes(random, static_cast<std::size_t>(random.between(0, 200)));
  std::vector<std::uint8_t> actual(x.size()), expected;
  kernels.look_up(x.data(), x.size(), table.data(), actual.data());
  for (const std::uint8_t value : x) expected.push_back(table[value]);
  check_same(actual, expected, kernels.name, "look_up", round);
}

void test_add_pixels(const Kernels& kernels, Random& random, int round) {
  const auto channels = static_cast<std::size_t>(random.pick({random.between(1, 40), random.between(41, 300)}));
  const auto pixels = static_cast<std::size_t>(random.between(0, 9)), step = channels + pixels % 3;
  const bool is_signed = random.between(0, 1) == 1;
  const auto x = any_bytes(random, pixels == 0 ? 0 : (pixels - 1) * step + channels);
  std::vector<std::int32_t> actual(channels);
  for (std::int32_t& sum : actual) sum = random.between(-1'000'000, 1'000'000);
  std::vector<std::int32_t> expected = actual;
  kernels.add_pixels({x.data(), is_signed, step, pixels, channels}, actual.data());
  for (std::size_t i = 0; i < pixels * channels; ++i) {
    const std::uint8_t byte = x[i / channels * step + i % channels];
    expected[i % channels] += is_signed ? static_cast<std::int8_t>(byte) : byte;
  }
  check_same(actual, expected, kernels.name, "add_pixels", round);
}

void test_pack_right(const Kernels& kernels, Random& random, int round) {
  const auto k = static_cast<std::size_t>(random.between(1, 70)), n = static_cast<std::size_t>(random.between(1, 70));
  // Contiguous rows, contiguous columns, or neither.
  const int order = random.between(0, 2);
  const std::size_t k_stride = order == 0 ? n + 3 : order == 1 ? 1 : 2, n_stride = order == 0 ? 1 : 2 * k + 1;
  const auto b = any_bytes(random, k * k_stride + n * n_stride);
  const std::uint8_t flip = random.pick({0x00, 0x80});
  std::vector<std::int8_t> flipped;
  for (const std::uint8_t byte : b) flipped.push_back(static_cast<std::int8_t>(byte ^ flip));

  std::vector<std::int8_t> actual(panels(n) * panel_bytes(k)), expected(actual.size());
  std::vector<std::int32_t> sums(panels(n) * kPanelColumns), expected_sums(sums.size());
  const auto k_step = static_cast<std::ptrdiff_t>(k_stride), n_step = static_cast<std::ptrdiff_t>(n_stride);
  kernels.pack_rhs({b.data(), k, n, k_step, n_step, flip}, actual.data(), sums.data());
  pack_panels(flipped.data(), k, n, k_step, n_step, expected.data(), expected_sums.data());
  check_same(actual, expected, kernels.name, "pack_rhs", round);
  check_same(sums, expected_sums, kernels.name, "pack_rhs's sums", round);
}

}  // namespace

void test_bytes(const Kernels& kernels, const Kernels&, Random& random, int round) {
  test_look_up(kernels, random, round);
  test_add_pixels(kernels, random, round);
  test_pack_right(kernels, random, round);
}

}  // namespace octavo::tests
