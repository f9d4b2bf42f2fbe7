// Sums over pixels for each channel, for average pooling.
#pragma once

#include "kernels/generic/block.h"
#include "kernels/kernels.h"

namespace octavo {
namespace {

// Sums of `Channels` channels, with the accumulators in registers.
template <class Isa, int Channels, class Byte>
void add_some_pixels(const Byte* x, std::size_t step, std::size_t pixels, std::int32_t* sums) {
  constexpr int kAll = Channels / Isa::kLanes;
  typename Isa::Ints acc[kAll];
  each<kAll>([&](auto r) OCTAVO_LAMBDA { acc[r] = Isa::load(sums + r * Isa::kLanes); });
  for (std::size_t i = 0; i < pixels; ++i, x += step) {
    each<kAll>([&](auto r) OCTAVO_LAMBDA { acc[r] = Isa::add(acc[r], Isa::widen(x + r * Isa::kLanes)); });
  }
  each<kAll>([&](auto r) OCTAVO_LAMBDA { Isa::store(sums + r * Isa::kLanes, acc[r]); });
}

template <class Isa, class Byte>
void add_pixels_of(const PixelRow& row, std::int32_t* sums) {
  constexpr int kMany = 8 * Isa::kLanes;
  const auto* x = reinterpret_cast<const Byte*>(row.data);
  std::size_t c = 0;
  for (; c + kMany <= row.channels; c += kMany) add_some_pixels<Isa, kMany>(x + c, row.step, row.pixels, sums + c);
  for (; c + Isa::kLanes <= row.channels; c += Isa::kLanes) {
    add_some_pixels<Isa, Isa::kLanes>(x + c, row.step, row.pixels, sums + c);
  }
  for (; c < row.channels; ++c) {
    for (std::size_t i = 0; i < row.pixels; ++i) sums[c] += x[c + i * row.step];
  }
}

template <class Isa>
void add_pixels(const PixelRow& row, std::int32_t* sums) {
  row.is_signed ? add_pixels_of<Isa, std::int8_t>(row, sums) : add_pixels_of<Isa, std::uint8_t>(row, sums);
}

}  // namespace
}  // namespace octavo
