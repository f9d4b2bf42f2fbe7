// Output types of the epilogue: int32, float32 or 8 bits. store() handles one row of a few panels and returns whether
// the result is certain to be exact; if it is not, Exact computes it again.
#pragma once

#include "kernels/generic/block.h"
#include "kernels/generic/step.h"
#include "kernels/isa/concept.h"
#include "kernels/kernels.h"
#include "kernels/packing.h"

namespace octavo {
namespace {

// The accumulators of one row of Panels panels.
template <class Isa, int Panels>
using Row = typename Isa::Ints[Panels * kRegisters<Isa>];

// Calls store(panel, p) for each panel; an incomplete panel is stored to a buffer and copied from there.
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
constexpr int kMostRows = 16;

// Contiguous rows shorter than a group are stored together, as if they were one row, with column constants repeated.
template <class Isa, int Panels>
struct Together {
  static constexpr bool kPossible = PacksBytes<Isa> && Panels <= kGroup / 2;
  static constexpr std::size_t kColumns = kPossible ? kMostRows * Panels * kBlock + kGroup * kBlock : 1;
  alignas(kLine) float multiplier[kColumns];

  static bool fits(const Gemm& gemm) {
    return kPossible && panels(gemm.n) == Panels && gemm.c_stride == gemm.n && gemm.b_zero == nullptr;
  }
  const float* repeat(const Gemm& gemm) {
    std::memcpy(multiplier, gemm.multiplier, gemm.n * sizeof *multiplier);
    for (std::size_t i = gemm.n; i < kColumns; ++i) multiplier[i] = multiplier[i - gemm.n];
    return multiplier;
  }
};

// Stores a row of at most four panels, which `how` packs to bytes.
template <class Isa, int Panels, class How>
OCTAVO_INLINE void store_packed(const How& how, const typename Isa::Ints (&q)[Panels], std::size_t columns,
                                std::uint8_t* c) {
  constexpr std::size_t kAll = Panels * kBlock;
  constexpr int kLast = Panels - 1;
  const typename Isa::Ints four[] = {q[0], q[1 < kLast ? 1 : kLast], q[2 < kLast ? 2 : kLast], q[kLast]};
  Isa::store_bytes(Isa::in_a_row(how.bytes(four)), columns < kAll ? columns : kAll, c);
}

// Outputs whose fast result may be wrong by one: their Exact stores it again.
template <class Out>
concept HasExactPath = requires { typename Out::Exact; };

// Outputs that can store several short rows as one.
template <class Out>
concept StoresTogether = requires { Out::kStoresTogether; };

template <class Isa>
struct Int32Output {
  using Element = std::int32_t;
  explicit Int32Output(const Gemm&) {}

  template <int Panels>
  OCTAVO_INLINE bool store(const Row<Isa, Panels>& v, std::size_t, std::size_t columns, Element* c) const {
    each_panel<Isa, Panels>(columns, c, [&](int panel, Element* to) {
      OCTAVO_UNROLL
      for (int r = 0; r < kRegisters<Isa>; ++r) Isa::store(to + r * Isa::kLanes, v[panel * kRegisters<Isa> + r]);
    });
    return true;
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
  OCTAVO_INLINE bool store(const Row<Isa, Panels>& v, std::size_t column, std::size_t columns, Element* c) const {
    typename Isa::Floats scaled[Panels * kRegisters<Isa>];
    scale_row<Isa, Panels>(v, multiplier + column, scaled);
    each_panel<Isa, Panels>(columns, c, [&](int panel, Element* to) {
      OCTAVO_UNROLL
      for (int r = 0; r < kRegisters<Isa>; ++r) Isa::store(to + r * Isa::kLanes, scaled[panel * kRegisters<Isa> + r]);
    });
    return true;
  }
};

// The bounds are integers, so clipping before rounding gives the same result as after it, and fits int32.
template <class Isa>
struct ByteOutput {
  using Element = std::uint8_t;
  const float* multiplier;
  Clip clip;
  explicit ByteOutput(const Gemm& gemm)
      : multiplier(gemm.multiplier), clip{gemm.zero_point, gemm.low, gemm.high, gemm.low < 0} {}

  template <int Panels>
  OCTAVO_INLINE bool store(const Row<Isa, Panels>& v, std::size_t column, std::size_t columns, Element* c) const {
    typename Isa::Floats scaled[Panels * kRegisters<Isa>];
    scale_row<Isa, Panels>(v, multiplier + column, scaled);
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
    return true;
  }
};

// The same for instruction sets that pack bytes; How is Clipped or FusedRelu.
template <class Isa, class How>
struct PackedOutput {
  using Element = std::uint8_t;
  static constexpr bool kStoresTogether = true;
  const float* multiplier;
  const float* offset;  // for columns from `first` on
  std::size_t first;
  How how;
  // For a How that ignores the offset.
  explicit PackedOutput(const Gemm& gemm) : PackedOutput(gemm, 0, gemm.multiplier) {}
  PackedOutput(const Gemm& gemm, std::size_t column, const float* offsets)
      : multiplier(gemm.multiplier),
        offset(offsets),
        first(column),
        how({gemm.zero_point, gemm.low, gemm.high, gemm.low < 0}) {}

  // Rounds one panel of several rows.
  template <int Rows, int Panels, class Accumulators, class Rounded>
  OCTAVO_INLINE void round(const Accumulators& v, int panel, std::size_t column, Rounded& q) const {
    const std::size_t first_column = column + panel * kBlock;
    const auto factor = Isa::pin(Isa::load(multiplier + first_column));
    const auto added = Isa::pin(Isa::load(offset + (first_column - first)));
    each<Rows>([&](auto r) OCTAVO_LAMBDA { q[r][panel] = how.rounded(v[r][panel], factor, added); });
  }

  template <int Panels>
  OCTAVO_INLINE bool store(const Row<Isa, Panels>& v, std::size_t column, std::size_t columns, Element* c) const {
    typename Isa::Ints q[Panels];
    each<Panels>([&](auto p) OCTAVO_LAMBDA {
      const auto factor = Isa::load(multiplier + column + p * kBlock);
      q[p] = how.rounded(v[p], factor, Isa::load(offset + (column - first) + p * kBlock));
    });
    store_packed<Isa, Panels>(how, q, columns, c);
    return true;
  }
};

// Requantizes to the grid of the product, adds the residual, and quantizes to the grid of the result.
//
// The fast path computes own * (own_scale / scale) + (other - zero point) * (other scale / scale) in fixed point with
// units of 2^-bits. It rounds the first term twice, the second four times, and the rounding offset three times; the
// exact path rounds each term twice. Together these errors are at most 2^-24 of the largest terms, plus half a unit for
// the conversion to an integer. If the fast quotient is farther than that from a rounding boundary, both paths give the
// same integer. The units are chosen so that the largest quotient fits 31 bits.
template <class Isa>
struct ResidualOutput {
  using Element = std::uint8_t;
  static constexpr bool kStoresTogether = true;
  const float* multiplier;
  float low, high;
  Residual residual;
  Step step;
  Clip clip;
  std::ptrdiff_t away;  // distance from an element of c to the corresponding element of the residual
  int bits = 22;
  float own_factor, other_factor, offset, least, most;
  std::int32_t fraction;            // mask of the fraction bits
  std::int32_t safe_fraction = -1;  // fractions below this (unsigned) need the exact path
  explicit ResidualOutput(const Gemm& gemm)
      : multiplier(gemm.multiplier),
        low(static_cast<float>(gemm.low - gemm.zero_point)),
        high(static_cast<float>(gemm.high - gemm.zero_point)),
        residual(*gemm.residual),
        step(step_of(residual.result)),
        clip{residual.result.zero_point, residual.result.low, residual.result.high, residual.result.low < 0},
        away(residual.data - static_cast<const std::uint8_t*>(gemm.c)) {
    const double own = static_cast<double>(residual.own_scale) / residual.result.scale;
    const double other = static_cast<double>(residual.scale) / residual.result.scale;
    while (bits > 14 && own + other > 1 << (22 - bits)) --bits;
    const double unit = 1 << bits;
    const double zero = residual.zero_point, below = zero + (residual.is_signed ? 128 : 0), above = 255 - below;
    const double largest_own = -low > high ? -low : high, largest_other = below > above ? below : above;
    const double error = (4 * largest_own * own + 6 * largest_other * other + 4) * 0x1p-24 * unit + 2;
    own_factor = static_cast<float>(own * unit);
    other_factor = static_cast<float>(other * unit);
    offset = static_cast<float>(unit / 2 + error - zero * other * unit);
    least = static_cast<float>((step.low + 0.5) * unit);
    most = static_cast<float>((step.high + 0.5) * unit);
    fraction = (1 << bits) - 1;
    if (own >= 0x1p-60 && other >= 0x1p-60 && own + other <= 0x1p8)
      safe_fraction = static_cast<std::int32_t>(2 * error) + 1;
  }

  template <int Panels>
  OCTAVO_INLINE bool store(const Row<Isa, Panels>& v, std::size_t column, std::size_t columns, Element* c) const {
    constexpr int kAll = Panels * kRegisters<Isa>;
    typename Isa::Floats own[kAll];
    typename Isa::Ints other[kAll], q[kAll];
    own_integers<Panels>(v, column, own);
    widen_residual<Panels>(c + away, columns, other);
    auto nearest = Isa::all(-1);
    each<kAll>([&](auto r) OCTAVO_LAMBDA {
      const auto moved = Isa::multiply_add(Isa::to_floats(other[r]), Isa::all(other_factor), Isa::all(offset));
      auto quotient = Isa::multiply_add(own[r], Isa::all(own_factor), moved);
      if constexpr (!PacksBytes<Isa>) {
        quotient = Isa::min(Isa::max(quotient, Isa::all(least)), Isa::all(most));
      }
      const auto units = Isa::round(quotient);
      nearest = Isa::smaller(nearest, Isa::bit_and(units, Isa::all(fraction)));
      q[r] = Isa::shift_right(units, bits);
    });
    store_integers<Panels>(q, columns, c);
    return !Isa::any_below(nearest, Isa::all(safe_fraction));
  }

  class Exact {
   public:
    using Element = std::uint8_t;
    explicit Exact(const ResidualOutput& out) : out_(out) {}

    template <int Panels>
    bool store(const Row<Isa, Panels>& v, std::size_t column, std::size_t columns, Element* c) const {
      constexpr int kAll = Panels * kRegisters<Isa>;
      const Residual& residual = out_.residual;
      typename Isa::Floats own[kAll];
      typename Isa::Ints other[kAll], q[kAll];
      out_.template own_integers<Panels>(v, column, own);
      out_.template widen_residual<Panels>(c + out_.away, columns, other);
      for (int r = 0; r < kAll; ++r) {
        const auto a = Isa::multiply(own[r], Isa::all(residual.own_scale));
        const auto moved = Isa::subtract(other[r], Isa::all(residual.zero_point));
        const auto b = Isa::multiply(Isa::to_floats(moved), Isa::all(residual.scale));
        q[r] = Isa::to_grid_exactly(Isa::add(a, b), out_.step);
      }
      out_.template store_integers<Panels>(q, columns, c);
      return true;
    }

   private:
    const ResidualOutput& out_;
  };

 private:
  // Integers on the grid of the product, relative to its zero point.
  template <int Panels>
  OCTAVO_INLINE void own_integers(const Row<Isa, Panels>& v, std::size_t column,
                                  typename Isa::Floats (&own)[Panels * kRegisters<Isa>]) const {
    scale_row<Isa, Panels>(v, multiplier + column, own);
    each<Panels * kRegisters<Isa>>([&](auto r) OCTAVO_LAMBDA {
      own[r] = Isa::nearest(Isa::min(Isa::max(own[r], Isa::all(low)), Isa::all(high)));
    });
  }

  template <int Panels>
  OCTAVO_INLINE void widen_residual(const Element* from, std::size_t columns,
                                    typename Isa::Ints (&to)[Panels * kRegisters<Isa>]) const {
    if (columns >= Panels * kBlock) {
      each<Panels * kRegisters<Isa>>([&](auto r) OCTAVO_LAMBDA { to[r] = widened(from + r * Isa::kLanes); });
    } else if constexpr (WidensFirst<Isa>) {
      each<Panels>([&](auto p) OCTAVO_LAMBDA {
        const std::size_t begin = p * kBlock, left = columns < begin ? 0 : columns - begin;
        to[p] = left >= kBlock       ? widened(from + begin)
                : residual.is_signed ? Isa::widen_first(reinterpret_cast<const std::int8_t*>(from + begin), left)
                                     : Isa::widen_first(from + begin, left);
      });
    } else {
      Element padded[Panels * kBlock] = {};
      std::memcpy(padded, from, columns);
      each<Panels * kRegisters<Isa>>([&](auto r) OCTAVO_LAMBDA { to[r] = widened(padded + r * Isa::kLanes); });
    }
  }

  OCTAVO_INLINE typename Isa::Ints widened(const Element* bytes) const {
    return residual.is_signed ? Isa::widen(reinterpret_cast<const std::int8_t*>(bytes)) : Isa::widen(bytes);
  }

  template <int Panels>
  OCTAVO_INLINE void store_integers(const typename Isa::Ints (&q)[Panels * kRegisters<Isa>], std::size_t columns,
                                    Element* c) const {
    if constexpr (PacksBytes<Isa>) {
      store_packed<Isa, Panels>(typename Isa::Clipped(clip), q, columns, c);
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
