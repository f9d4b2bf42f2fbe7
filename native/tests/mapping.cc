// quantize and dequantize of an instruction set compared with the scalar ones.
#include <cmath>
#include <limits>

#include "kernels/kernels.h"
#include "tests/check.h"
#include "tests/tests.h"

namespace octavo::tests {
namespace {

// Three of `rarity` values are special on average.
float any_float(Random& random, const Mapping& mapping, int rarity) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  switch (random.between(1, rarity) - 1) {
    case 0:
      return random.pick({0.0f, -0.0f, kInfinity, -kInfinity, std::nanf(""), 3e38f, -3e38f, 1e-45f});
    case 1:
    case 2: {
      // A rounding boundary, or a value next to it.
      const float middle = (static_cast<float>(random.between(-300, 300)) + 0.5f) * mapping.scale;
      return random.pick({middle, std::nextafter(middle, kInfinity), std::nextafter(middle, -kInfinity)});
    }
    default:
      return random.real(-300, 300) * mapping.scale;
  }
}

}  // namespace

void test_mapping(const Kernels& kernels, const Kernels& scalar, Random& random, int round) {
  const bool is_signed = random.between(0, 1);
  const int low = is_signed ? -128 : 0, high = low + 255;
  const float scale = random.pick({1.0f, 0x1p-126f, 0x1p118f, 0x1p-130f, 0x1p127f});
  const Mapping mapping{random.pick({scale, random.real(0.001f, 2.0f)}),
                        random.pick({low, high, random.between(low, high)}), low + random.between(0, 9),
                        high - random.between(0, 9)};
  std::vector<float> x(static_cast<std::size_t>(random.between(0, 200)));
  const int rarity = random.pick({10, 300});
  for (float& value : x) value = any_float(random, mapping, rarity);
  std::vector<std::uint8_t> actual(x.size()), expected(x.size());
  kernels.quantize(x.data(), x.size(), mapping, actual.data());
  scalar.quantize(x.data(), x.size(), mapping, expected.data());
  check_same(actual, expected, kernels.name, "quantize", round);

  std::vector<float> back(x.size()), reference(x.size());
  const auto* bytes = reinterpret_cast<const std::int8_t*>(expected.data());
  if (is_signed) {
    kernels.dequantize_s8(bytes, x.size(), mapping, back.data());
    scalar.dequantize_s8(bytes, x.size(), mapping, reference.data());
  } else {
    kernels.dequantize_u8(expected.data(), x.size(), mapping, back.data());
    scalar.dequantize_u8(expected.data(), x.size(), mapping, reference.data());
  }
  check_same(back, reference, kernels.name, "dequantize", round);
}

}  // namespace octavo::tests
