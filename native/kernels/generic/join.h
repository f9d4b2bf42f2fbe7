// Sum or product of two rows of 8 bits, each on its grid: as float32, one operation, and back to 8 bits.
#pragma once

#include "kernels/generic/to_grid.h"
#include "kernels/generic/widen.h"

namespace octavo {
namespace {

template <class Isa, class A, class B, bool kProduct>
OCTAVO_INLINE void join_block(const Join& join, const Step& step, const std::uint8_t* a, const std::uint8_t* b,
                              std::uint8_t* to) {
  typename Isa::Floats x[kRegisters<Isa>], y[kRegisters<Isa>];
  widen_block<Isa, A>(a, join.a_scale, join.a_zero, x);
  widen_block<Isa, B>(b, join.b_scale, join.b_zero, y);
  typename Isa::Ints q[kRegisters<Isa>];
  each<kRegisters<Isa>>([&](auto r) OCTAVO_LAMBDA {
    const auto joined = kProduct ? Isa::multiply(x[r], y[r]) : Isa::add(x[r], y[r]);
    q[r] = Isa::add(to_grid<Isa>(joined, step), Isa::all(step.zero_point));
  });
  Isa::store_low_bytes(to, q);
}

template <class Isa, class A, class B, bool kProduct>
void join_rows(const Join& join, std::size_t count) {
  const Step step = step_of(join.result);
  std::size_t i = 0;
  for (; i + kBlock <= count; i += kBlock) {
    join_block<Isa, A, B, kProduct>(join, step, join.a + i, join.b + i, join.c + i);
  }
  if (i == count) return;
  std::uint8_t a[kBlock] = {}, b[kBlock] = {}, c[kBlock];
  std::memcpy(a, join.a + i, count - i);
  std::memcpy(b, join.b + i, count - i);
  join_block<Isa, A, B, kProduct>(join, step, a, b, c);
  std::memcpy(join.c + i, c, count - i);
}

template <class Isa, class A, class B>
void join_bytes(const Join& join, std::size_t count) {
  return join.product ? join_rows<Isa, A, B, true>(join, count) : join_rows<Isa, A, B, false>(join, count);
}

template <class Isa>
void join(const Join& join, std::size_t count) {
  using U = std::uint8_t;
  using S = std::int8_t;
  if (join.a_signed) return join.b_signed ? join_bytes<Isa, S, S>(join, count) : join_bytes<Isa, S, U>(join, count);
  return join.b_signed ? join_bytes<Isa, U, S>(join, count) : join_bytes<Isa, U, U>(join, count);
}

}  // namespace
}  // namespace octavo
