// The range sketch update of an instruction set compared with the scalar one.
#include <cmath>
#include <limits>

#include "kernels/histogram.h"
#include "kernels/kernels.h"
#include "tests/check.h"
#include "tests/tests.h"

namespace octavo::tests {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Update {
  std::vector<float> ends;
  std::vector<std::uint64_t> counts;
  std::vector<std::int64_t> bins;
};

Update update(const Kernels& kernels, const std::vector<float>& x, std::size_t stride) {
  Ends ends{kInfinity, -kInfinity, 0, 0};
  Update result{{}, {}, std::vector<std::int64_t>(kBins)};
  kernels.sketch(x.data(), x.size(), stride, ends, result.bins.data());
  result.ends = {ends.low, ends.high};
  result.counts = {ends.nans, ends.infs};
  return result;
}

}  // namespace

void test_sketch(const Kernels& kernels, const Kernels& scalar, Random& random, int round) {
  std::vector<float> x(static_cast<std::size_t>(random.pick({random.between(0, 70), 4095, 4096, 4113, 9000})));
  for (float& value : x) value = random.real(-5, 5);
  const int odd = x.empty() ? 0 : random.between(0, 3);
  for (int i = 0; i < odd; ++i) {
    x[random.next() % x.size()] = random.pick({std::nanf(""), kInfinity, -kInfinity, -0.0f, 3e38f, -3e38f});
  }
  const auto stride = static_cast<std::size_t>(random.pick({1, 3, 17, 5001}));
  const Update actual = update(kernels, x, stride), expected = update(scalar, x, stride);
  check_same(actual.ends, expected.ends, kernels.name, "the sketch's ends", round);
  check_same(actual.counts, expected.counts, kernels.name, "the sketch's counts", round);
  check_same(actual.bins, expected.bins, kernels.name, "the sketch's histogram", round);
}

}  // namespace octavo::tests
