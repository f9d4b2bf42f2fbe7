// What becomes of the sums of a row of some panels: 32 bits, float32 or 8 bits.
#pragma once

#include "kernels/generic/block.h"
#include "kernels/kernels.h"

namespace octavo {
namespace {

// The sums of one row of Panels panels.
template <class Isa, int Panels>
using Row = typename Isa::Ints[Panels * kRegisters<Isa>];

// Calls store(v, p) with what each panel's registers hold; where fewer columns are left than a panel has, p is memory
// of its own, from which those are copied.
template <class Isa, int Panels, class Element, class Store>
OCTAVO_INLINE void each_panel(std::size_t columns, Element* c, const Store& store) {
  OCTAVO_UNROLL
  for (int panel = 0; panel < Panels; ++panel) {
    const std::size_t begin = panel * kBlock;
    if (begin + kBlock <= columns) {
      store(panel, c + begin);
    } else if (begin < columns) {
      Element whole[kBlock];
      store(panel, whole);
      std::memcpy(c + begin, whole, (columns - begin) * sizeof(Element));
    }
  }
}

template <class Isa>
struct Int32Output {
  using Element = std::int32_t;
  explicit Int32Output(const Gemm&) {}

  template <int Panels>
  OCTAVO_INLINE void store(const Row<Isa, Panels>& v, std::size_t, std::size_t columns, Element* c) const {
    each_panel<Isa, Panels>(columns, c, [&](int panel, Element* to) {
      OCTAVO_UNROLL
      for (int r = 0; r < kRegisters<Isa>; ++r) Isa::store(to + r * Isa::kLanes, v[panel * kRegisters<Isa> + r]);
    });
  }
};

template <class Isa, int Panels>
OCTAVO_INLINE void scale_row(const Row<Isa, Panels>& v, const float* multiplier,
                             typename Isa::Floats (&scaled)[Panels * kRegisters<Isa>]) {
  each<Panels * kRegisters<Isa>>([&](auto r) OCTAVO_LAMBDA {
    scaled[r] = Isa::multiply(Isa::to_floats(v[r]), Isa::load(multiplier + r * Isa::kLanes));
  });
}

template <class Isa>
struct FloatOutput {
  using Element = float;
  const float* multiplier;
  explicit FloatOutput(const Gemm& gemm) : multiplier(gemm.multiplier) {}

  template <int Panels>
  OCTAVO_INLINE void store(const Row<Isa, Panels>& v, std::size_t column, std::size_t columns, Element* c) const {
    typename Isa::Floats scaled[Panels * kRegisters<Isa>];
    scale_row<Isa, Panels>(v, multiplier + column, scaled);
    each_panel<Isa, Panels>(columns, c, [&](int panel, Element* to) {
      OCTAVO_UNROLL
      for (int r = 0; r < kRegisters<Isa>; ++r) Isa::store(to + r * Isa::kLanes, scaled[panel * kRegisters<Isa> + r]);
    });
  }
};

// The bounds are integers, so clipping before rounding gives what clipping after it does, and fits int32.
template <class Isa>
struct ByteOutput {
  using Element = std::uint8_t;
  const float* multiplier;
  Clip clip;
  explicit ByteOutput(const Gemm& gemm)
      : multiplier(gemm.multiplier), clip{gemm.zero_point, gemm.low, gemm.high, gemm.low < 0} {}

  template <int Panels>
  OCTAVO_INLINE void store(const Row<Isa, Panels>& v, std::size_t column, std::size_t columns, Element* c) const {
    typename Isa::Floats scaled[Panels * kRegisters<Isa>];
    scale_row<Isa, Panels>(v, multiplier + column, scaled);
    if constexpr (requires { Isa::kStoresRows; }) {
      Isa::template store_row<Panels>(scaled, clip, columns, c);
    } else {
      const auto low = Isa::all(static_cast<float>(clip.low - clip.zero_point));
      const auto high = Isa::all(static_cast<float>(clip.high - clip.zero_point));
      const auto zero_point = Isa::all(clip.zero_point);
      each_panel<Isa, Panels>(columns, c, [&](int panel, Element* to) {
        typename Isa::Ints q[kRegisters<Isa>];
        OCTAVO_UNROLL
        for (int r = 0; r < kRegisters<Isa>; ++r) {
          const auto clipped = Isa::min(Isa::max(scaled[panel * kRegisters<Isa> + r], low), high);
          q[r] = Isa::add(Isa::round(clipped), zero_point);
        }
        Isa::store_low_bytes(to, q);
      });
    }
  }
};

}  // namespace
}  // namespace octavo
