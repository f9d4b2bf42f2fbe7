// Plain C++: the readable reference, and what runs where nothing better does.
#pragma once

#include <bit>

#include "kernels/generic/block.h"
#include "kernels/generic/step.h"

namespace octavo {
namespace {

struct scalar {
  static constexpr char kName[] = "scalar";
  static constexpr Needs kNeeds{};
  static constexpr int kLanes = 1;
  using Ints = std::int32_t;
  using Floats = float;

  static Floats load(const float* p) { return *p; }
  static Ints widen(const std::uint8_t* p) { return *p; }
  static Ints widen(const std::int8_t* p) { return *p; }
  static void store(float* p, Floats v) { *p = v; }
  static void store_low_bytes(std::uint8_t* p, const Ints (&v)[kBlock]) {
    for (std::size_t i = 0; i < kBlock; ++i) p[i] = static_cast<std::uint8_t>(v[i]);
  }

  static Ints all(std::int32_t v) { return v; }
  static Floats all(float v) { return v; }

  static Ints add(Ints a, Ints b) { return a + b; }
  static Ints subtract(Ints a, Ints b) { return a - b; }
  static Floats subtract(Floats a, Floats b) { return a - b; }
  static Floats multiply(Floats a, Floats b) { return a * b; }
  static Floats bit_or(Floats a, Floats b) {
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(a) | std::bit_cast<std::uint32_t>(b));
  }

  // Of NaN and a bound, the bound.
  static Floats min(Floats v, Floats bound) { return v < bound ? v : bound; }
  static Floats max(Floats v, Floats bound) { return v > bound ? v : bound; }

  static Floats to_floats(Ints v) { return static_cast<float>(v); }

  static Ints to_grid(Floats x, const Step& step) {
    if (x != x) return 0;
    const double q = __builtin_rint(x / step.scale);
    return static_cast<std::int32_t>(q < step.low ? step.low : q > step.high ? step.high : q);
  }
};

}  // namespace
}  // namespace octavo
