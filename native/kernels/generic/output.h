// What becomes of the sums of a row of some panels: 32 bits, float32 or 8 bits.
#pragma once

#include "kernels/generic/block.h"
#include "kernels/generic/step.h"
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

constexpr int kGroup = 4;  // panels that are stored together

// Rows of few panels that lie one behind the other in c are stored together, as if they were one row: what belongs to
// the columns is repeated for each of them.
template <int Panels>
struct Together {
  static constexpr int kRows = kGroup / Panels;
  alignas(kLine) float multiplier[kGroup * kBlock];

  static bool fits(const Gemm& gemm) {
    return Panels <= kGroup / 2 && gemm.n == Panels * kBlock && gemm.c_stride == gemm.n;
  }
  const float* repeat(const Gemm& gemm) {
    constexpr std::size_t kWidth = Panels * kBlock;
    for (std::size_t i = 0; i < kRows * kWidth; i += kWidth) std::memcpy(multiplier + i, gemm.multiplier, kWidth * 4);
    return multiplier;
  }
};

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

// To the product's own grid, joined with the addend, and to the grid of the result.
//
// The quick way computes own * (own_scale / scale) + (other * (scale of the other / scale) - the same of its zero
// point), in which no term is larger than 255 times its factor, and rounds each at most five times; the exact way
// rounds twice. So they differ by less than 7 * 2^-24 * 255 times the sum of the factors, which is less than 2^-13
// times it; and where the quick quotient is farther than that from where rounding turns, both give the same integer.
// With a sum of at most 2^8 it stays below 2^17, and is clipped after it is packed.
template <class Isa>
struct JoinedOutput {
  using Element = std::uint8_t;
  const float* multiplier;
  float low, high;
  Addend addend;
  Step step;
  Clip clip;
  std::ptrdiff_t away;  // from a place in c to the same in the addend
  float own_factor, other_factor, other_zero, doubt;
  explicit JoinedOutput(const Gemm& gemm)
      : multiplier(gemm.multiplier),
        low(static_cast<float>(gemm.low - gemm.zero_point)),
        high(static_cast<float>(gemm.high - gemm.zero_point)),
        addend(*gemm.addend),
        step(step_of(addend.result)),
        clip{addend.result.zero_point, addend.result.low, addend.result.high, addend.result.low < 0},
        away(addend.data - static_cast<const std::uint8_t*>(gemm.c)),
        own_factor(addend.own_scale / addend.result.scale),
        other_factor(addend.scale / addend.result.scale),
        other_zero(static_cast<float>(-addend.zero_point) * other_factor) {
    const float sum = own_factor + other_factor;
    doubt = own_factor >= 0x1p-60f && other_factor >= 0x1p-60f && sum <= 0x1p8f ? 0.5f - 0x1p-13f * sum : -1.0f;
  }

  template <int Panels>
  OCTAVO_INLINE void store(const Row<Isa, Panels>& v, std::size_t column, std::size_t columns, Element* c) const {
    constexpr int kAll = Panels * kRegisters<Isa>;
    typename Isa::Floats own[kAll];
    typename Isa::Ints other[kAll], q[kAll];
    scale_row<Isa, Panels>(v, multiplier + column, own);
    widen_addend<Panels>(c + away, columns, other);
    auto worst = Isa::all(0.0f);
    each<kAll>([&](auto r) OCTAVO_LAMBDA {
      own[r] = Isa::nearest(Isa::min(Isa::max(own[r], Isa::all(low)), Isa::all(high)));
      const auto moved = Isa::multiply_add(Isa::to_floats(other[r]), Isa::all(other_factor), Isa::all(other_zero));
      auto quotient = Isa::multiply_add(own[r], Isa::all(own_factor), moved);
      if constexpr (!requires { Isa::kStoresRows; }) {
        quotient = Isa::min(Isa::max(quotient, Isa::all(static_cast<float>(step.low))),
                            Isa::all(static_cast<float>(step.high)));
      }
      q[r] = Isa::round(quotient);
      worst = Isa::farther(worst, Isa::subtract(quotient, Isa::to_floats(q[r])));
    });
    if (Isa::any_at_least(worst, Isa::all(doubt))) [[unlikely]]
      join_exactly<Panels>(own, other, q);
    store_integers<Panels>(q, columns, c);
  }

 private:
  template <int Panels>
  __attribute__((noinline)) void join_exactly(const typename Isa::Floats (&own)[Panels * kRegisters<Isa>],
                                              const typename Isa::Ints (&other)[Panels * kRegisters<Isa>],
                                              typename Isa::Ints (&q)[Panels * kRegisters<Isa>]) const {
    for (int r = 0; r < Panels * kRegisters<Isa>; ++r) {
      const auto a = Isa::multiply(own[r], Isa::all(addend.own_scale));
      const auto moved = Isa::subtract(other[r], Isa::all(addend.zero_point));
      const auto b = Isa::multiply(Isa::to_floats(moved), Isa::all(addend.scale));
      q[r] = Isa::to_grid_exactly(Isa::add(a, b), step);
    }
  }

  template <int Panels>
  OCTAVO_INLINE void widen_addend(const Element* from, std::size_t columns,
                                  typename Isa::Ints (&to)[Panels * kRegisters<Isa>]) const {
    if (columns >= Panels * kBlock) {
      each<Panels * kRegisters<Isa>>([&](auto r) OCTAVO_LAMBDA { to[r] = widened(from + r * Isa::kLanes); });
    } else if constexpr (requires { Isa::widen_first(from, columns); }) {
      each<Panels>([&](auto p) OCTAVO_LAMBDA {
        const std::size_t begin = p * kBlock, left = columns < begin ? 0 : columns - begin;
        to[p] = left >= kBlock     ? widened(from + begin)
                : addend.is_signed ? Isa::widen_first(reinterpret_cast<const std::int8_t*>(from + begin), left)
                                   : Isa::widen_first(from + begin, left);
      });
    } else {
      Element padded[Panels * kBlock] = {};
      std::memcpy(padded, from, columns);
      each<Panels * kRegisters<Isa>>([&](auto r) OCTAVO_LAMBDA { to[r] = widened(padded + r * Isa::kLanes); });
    }
  }

  OCTAVO_INLINE typename Isa::Ints widened(const Element* bytes) const {
    return addend.is_signed ? Isa::widen(reinterpret_cast<const std::int8_t*>(bytes)) : Isa::widen(bytes);
  }

  template <int Panels>
  OCTAVO_INLINE void store_integers(const typename Isa::Ints (&q)[Panels * kRegisters<Isa>], std::size_t columns,
                                    Element* c) const {
    if constexpr (requires { Isa::kStoresRows; }) {
      Isa::template store_row<Panels>(q, clip, columns, c);
    } else {
      each_panel<Isa, Panels>(columns, c, [&](int panel, Element* to) {
        typename Isa::Ints moved[kRegisters<Isa>];
        OCTAVO_UNROLL
        for (int r = 0; r < kRegisters<Isa>; ++r) {
          moved[r] = Isa::add(q[panel * kRegisters<Isa> + r], Isa::all(clip.zero_point));
        }
        Isa::store_low_bytes(to, moved);
      });
    }
  }
};

}  // namespace
}  // namespace octavo
