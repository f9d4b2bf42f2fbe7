// The float kernels of an instruction set compared with the scalar ones, bit for bit.
#include <cmath>
#include <limits>

#include "kernels/kernels.h"
#include "tests/check.h"
#include "tests/tests.h"

namespace octavo::tests {
namespace {

using Floats = std::vector<float>;

float any_float(Random& random) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  switch (random.between(0, 15)) {
    case 0:
      return random.pick({0.0f, -0.0f, kInfinity, -kInfinity, std::nanf(""), 3e38f, -3e38f, 1e-45f, 88.7f, -104.0f});
    case 1:
      return random.real(-120.0f, 120.0f);
    default:
      return random.real(-6.0f, 6.0f);
  }
}

Floats floats(Random& random, std::size_t count, bool finite) {
  Floats values(count);
  for (float& value : values) value = finite ? random.real(-6.0f, 6.0f) : any_float(random);
  return values;
}

// Replaces every NaN by the same one: which payload is propagated depends on the processor.
Floats with_canonical_nans(Floats values) {
  for (float& value : values) value = std::isnan(value) ? std::nanf("") : value;
  return values;
}

Floats bounded(Floats values) {
  for (float& value : values) value = std::isfinite(value) ? std::fmod(value, 100.0f) : 1.0f;
  return values;
}

Mapping any_mapping(Random& random) {
  const int low = random.pick({0, -128});
  return {random.real(0.001f, 0.1f), random.between(low, low + 255), low, low + 255};
}

void test_functions(const Kernels& kernels, const Kernels& scalar, Random& random, int round) {
  const auto function =
      static_cast<Function>(random.between(static_cast<int>(Function::kClip), static_cast<int>(Function::kElu)));
  const float a = random.real(-2.0f, 0.0f), b = random.real(0.0f, 2.0f);
  const auto count = static_cast<std::size_t>(random.between(1, 300));
  const Floats x = floats(random, count, false), bias = floats(random, count, true);
  Floats actual(count), expected(count);
  kernels.apply(function, a, b, x.data(), count, actual.data());
  scalar.apply(function, a, b, x.data(), count, expected.data());
  check_same(with_canonical_nans(actual), with_canonical_nans(expected), kernels.name, "apply", round);

  const Mapping mapping = any_mapping(random);
  std::vector<std::uint8_t> q(count), reference(count);
  kernels.activate({x.data(), bias.data(), count, function, a, b, mapping, q.data()});
  scalar.activate({x.data(), bias.data(), count, function, a, b, mapping, reference.data()});
  check_same(q, reference, kernels.name, "activate", round);
}

void test_arithmetic(const Kernels& kernels, const Kernels& scalar, Random& random, int round) {
  const auto how =
      static_cast<Arithmetic>(random.between(static_cast<int>(Arithmetic::kAdd), static_cast<int>(Arithmetic::kMin)));
  const auto count = static_cast<std::size_t>(random.between(1, 100));
  const Floats a = floats(random, count, false), b = floats(random, count, false);
  const auto a_step = static_cast<std::size_t>(random.between(0, 1)), b_step = 1 - a_step * random.between(0, 1);
  Floats actual(count), expected(count);
  kernels.combine(how, {a.data(), a_step, b.data(), b_step, count, actual.data()});
  scalar.combine(how, {a.data(), a_step, b.data(), b_step, count, expected.data()});
  check_same(with_canonical_nans(actual), with_canonical_nans(expected), kernels.name, "combine", round);
  check_same(Floats{kernels.row_sum(bounded(a).data(), count)}, {scalar.row_sum(bounded(a).data(), count)},
             kernels.name, "row_sum", round);
  check_same(Floats{kernels.row_max(bounded(a).data(), count)}, {scalar.row_max(bounded(a).data(), count)},
             kernels.name, "row_max", round);
}

void test_softmax(const Kernels& kernels, const Kernels& scalar, Random& random, int round) {
  const auto rows = static_cast<std::size_t>(random.between(1, 9));
  const auto count = static_cast<std::size_t>(random.between(1, 70));
  const Floats x = floats(random, rows * count, true);
  Floats mask = floats(random, rows * count, true);
  for (float& value : mask) value = random.between(0, 3) == 0 ? -std::numeric_limits<float>::infinity() : value;
  const bool masked = random.between(0, 1), to_bytes = random.between(0, 1);
  const auto run = [&](const Kernels& set, Floats& y, std::vector<std::uint8_t>& q) {
    set.softmax({rows,
                 count,
                 x.data(),
                 masked ? mask.data() : nullptr,
                 count,
                 y.data(),
                 to_bytes ? q.data() : nullptr,
                 {1.0f / 255, 0, 0, 255}});
  };
  Floats y(x.size()), reference(x.size());
  std::vector<std::uint8_t> q(x.size()), q_reference(x.size());
  run(kernels, y, q);
  run(scalar, reference, q_reference);
  check_same(q, q_reference, kernels.name, "softmax to bytes", round);
  check_same(with_canonical_nans(y), with_canonical_nans(reference), kernels.name, "softmax", round);
}

void test_layer_norm(const Kernels& kernels, const Kernels& scalar, Random& random, int round) {
  const auto rows = static_cast<std::size_t>(random.between(1, 9));
  const auto size = static_cast<std::size_t>(random.between(1, 70));
  const Floats x = floats(random, rows * size, true), skip = floats(random, rows * size, true);
  const Floats bias = floats(random, size, true), scale = floats(random, size, true),
               shift = floats(random, size, true);
  LayerNorm norm{rows, size, x.data(), nullptr, nullptr, scale.data(), nullptr, 1e-5f, nullptr, nullptr, {}};
  if (random.between(0, 1)) norm.bias = bias.data();
  if (random.between(0, 1)) norm.skip = skip.data();
  if (random.between(0, 1)) norm.shift = shift.data();
  norm.mapping = any_mapping(random);
  const bool to_bytes = random.between(0, 1);
  const auto run = [&](const Kernels& set, Floats& y, std::vector<std::uint8_t>& q) {
    norm.y = y.data();
    norm.q = to_bytes ? q.data() : nullptr;
    set.layer_norm(norm);
  };
  const std::size_t size_of_y = (rows < kRowsTogether ? kRowsTogether : rows) * size;
  Floats y(size_of_y), reference(size_of_y);
  std::vector<std::uint8_t> q(x.size()), q_reference(x.size());
  run(kernels, y, q);
  run(scalar, reference, q_reference);
  check_same(q, q_reference, kernels.name, "layer_norm to bytes", round);
  check_same(y, reference, kernels.name, "layer_norm", round);
}

}  // namespace

void test_floats(const Kernels& kernels, const Kernels& scalar, Random& random, int round) {
  test_functions(kernels, scalar, random, round);
  test_arithmetic(kernels, scalar, random, round);
  test_softmax(kernels, scalar, random, round);
  test_layer_norm(kernels, scalar, random, round);
}

}  // namespace octavo::tests
