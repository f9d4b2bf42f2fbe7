// Elementwise add and multiply of two quantized rows: dequantize to float32, one operation, quantize to 8 bits.
#pragma once

#include "kernels/generic/to_grid.h"
#include "kernels/generic/widen.h"

namespace octavo {
namespace {

template <class Isa, class A, class B, bool kProduct>
OCTAVO_INLINE void elementwise_block(const Elementwise& e, const Step& step, const std::uint8_t* a,
                                     const std::uint8_t* b, std::uint8_t* to) {
  typename Isa::Floats x[kRegisters<Isa>], y[kRegisters<Isa>];
  widen_block<Isa, A>(a, e.a_scale, e.a_zero, x);
  widen_block<Isa, B>(b, e.b_scale, e.b_zero, y);
  typename Isa::Ints q[kRegisters<Isa>];
  each<kRegisters<Isa>>([&](auto r) OCTAVO_LAMBDA {
    const auto result = kProduct ? Isa::multiply(x[r], y[r]) : Isa::add(x[r], y[r]);
    q[r] = Isa::add(to_grid<Isa>(result, step), Isa::all(step.zero_point));
  });
  Isa::store_low_bytes(to, q);
}

template <class Isa, class A, class B, bool kProduct>
void elementwise_rows(const Elementwise& e, std::size_t count) {
  const Step step = step_of(e.result);
  std::size_t i = 0;
  for (; i + kBlock <= count; i += kBlock) {
    elementwise_block<Isa, A, B, kProduct>(e, step, e.a + i, e.b + i, e.c + i);
  }
  if (i == count) return;
  std::uint8_t a[kBlock] = {}, b[kBlock] = {}, c[kBlock];
  std::memcpy(a, e.a + i, count - i);
  std::memcpy(b, e.b + i, count - i);
  elementwise_block<Isa, A, B, kProduct>(e, step, a, b, c);
  std::memcpy(e.c + i, c, count - i);
}

template <class Isa, class A, class B>
void elementwise_bytes(const Elementwise& e, std::size_t count) {
  return e.product ? elementwise_rows<Isa, A, B, true>(e, count) : elementwise_rows<Isa, A, B, false>(e, count);
}

template <class Isa>
void elementwise(const Elementwise& e, std::size_t count) {
  using U = std::uint8_t;
  using S = std::int8_t;
  if (e.a_signed) return e.b_signed ? elementwise_bytes<Isa, S, S>(e, count) : elementwise_bytes<Isa, S, U>(e, count);
  return e.b_signed ? elementwise_bytes<Isa, U, S>(e, count) : elementwise_bytes<Isa, U, U>(e, count);
}

}  // namespace
}  // namespace octavo
