// Unary functions of float32, alone or between a bias and a quantization.
//
// erf and tanh are the rational approximations of Eigen (odd over even polynomial, argument clamped where float32
// reaches +-1), within 8 ulp.
#pragma once

#include "kernels/generic/block.h"
#include "kernels/generic/exp.h"
#include "kernels/generic/quantize.h"
#include "kernels/generic/row.h"

namespace octavo {
namespace {

// x A(x^2) / B(x^2), of x clamped to [-end, end].
template <class Isa, int AboveCount, int BelowCount>
OCTAVO_INLINE typename Isa::Floats rational(typename Isa::Floats x, float end, const float (&above)[AboveCount],
                                            const float (&below)[BelowCount]) {
  const auto v = Isa::clamp(x, Isa::all(-end), Isa::all(end)), square = Isa::multiply(v, v);
  const auto numerator = Isa::multiply(v, polynomial<Isa>(square, above, AboveCount));
  return Isa::divide(numerator, polynomial<Isa>(square, below, BelowCount));
}

template <class Isa>
OCTAVO_INLINE typename Isa::Floats within_one(typename Isa::Floats x) {
  return Isa::clamp(x, Isa::all(-1.0f), Isa::all(1.0f));
}

template <class Isa>
OCTAVO_INLINE typename Isa::Floats error_function(typename Isa::Floats x) {
  constexpr float kAbove[] = {-2.72614225801306e-10f, 2.77068142495902e-08f,  -2.10102402082508e-06f,
                              -5.69250639462346e-05f, -7.34990630326855e-04f, -2.95459980854025e-03f,
                              -1.60960333262415e-02f};
  constexpr float kBelow[] = {-1.45660718464996e-05f, -2.13374055278905e-04f, -1.68282697438203e-03f,
                              -7.37332916720468e-03f, -1.42647390514189e-02f};
  return within_one<Isa>(rational<Isa>(x, 4.0f, kAbove, kBelow));
}

template <class Isa>
OCTAVO_INLINE typename Isa::Floats hyperbolic_tangent(typename Isa::Floats x) {
  constexpr float kAbove[] = {-2.76076847742355e-16f, 2.00018790482477e-13f, -8.60467152213735e-11f,
                              5.12229709037114e-08f,  1.48572235717979e-05f, 6.37261928875436e-04f,
                              4.89352455891786e-03f};
  constexpr float kBelow[] = {1.19825839466702e-06f, 1.18534705686654e-04f, 2.26843463243900e-03f,
                              4.89352518554385e-03f};
  return within_one<Isa>(rational<Isa>(x, 7.90531110763549805f, kAbove, kBelow));
}

// GELU (Hendrycks and Gimpel 2016): x P(X <= x) of the standard normal distribution, within 2^-21 max(1, |x|). The
// distribution minus 1/2 is a minimax rational function on [-5.3, 5.3], beyond which float32 reaches 0 and 1.
template <class Isa>
OCTAVO_INLINE typename Isa::Floats gelu(typename Isa::Floats x) {
  constexpr float kAbove[] = {7.71656556e-6f, 4.23084516e-4f, 6.20029278e-3f, 5.91065318e-2f, 3.98940956e-1f};
  constexpr float kBelow[] = {6.37862138e-7f, 1.53430079e-4f, 3.31745428e-3f, 4.30393999e-2f, 3.14806163e-1f, 1.0f};
  return Isa::multiply(x, Isa::add(Isa::all(0.5f), rational<Isa>(x, 5.3f, kAbove, kBelow)));
}

// The tanh approximation of the same paper: x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))).
template <class Isa>
OCTAVO_INLINE typename Isa::Floats gelu_tanh(typename Isa::Floats x) {
  const auto cube = Isa::multiply(Isa::multiply(x, x), x);
  const auto inner = Isa::add(x, Isa::multiply(cube, Isa::all(0.044715f)));
  const auto s = hyperbolic_tangent<Isa>(Isa::multiply(inner, Isa::all(0.79788456f)));
  return Isa::multiply(Isa::multiply(x, Isa::all(0.5f)), Isa::add(Isa::all(1.0f), s));
}

template <class Isa>
OCTAVO_INLINE typename Isa::Floats sigmoid(typename Isa::Floats x) {
  const auto one = Isa::all(1.0f);
  return Isa::divide(one, Isa::add(one, exponential<Isa>(Isa::subtract(Isa::all(0.0f), x))));
}

template <class Isa>
OCTAVO_INLINE typename Isa::Floats hard_sigmoid(typename Isa::Floats x, float slope, float shift) {
  const auto line = Isa::add(Isa::multiply(x, Isa::all(slope)), Isa::all(shift));
  return Isa::clamp(line, Isa::all(0.0f), Isa::all(1.0f));
}

// Calls body with the implementation of `function` on registers.
template <class Isa, class Body>
OCTAVO_INLINE void with_function(Function function, float a, float b, const Body& body) {
  using Floats = typename Isa::Floats;
  const auto zero = Isa::all(0.0f), one = Isa::all(1.0f), first = Isa::all(a), second = Isa::all(b);
  switch (function) {
    case Function::kClip:
      return body([=](Floats v) OCTAVO_LAMBDA { return Isa::clamp(v, first, second); });
    case Function::kSigmoid:
      return body([](Floats v) OCTAVO_LAMBDA { return sigmoid<Isa>(v); });
    case Function::kTanh:
      return body([](Floats v) OCTAVO_LAMBDA { return hyperbolic_tangent<Isa>(v); });
    case Function::kHardSigmoid:
      return body([=](Floats v) OCTAVO_LAMBDA { return hard_sigmoid<Isa>(v, a, b); });
    case Function::kHardSwish:
      return body([](Floats v) OCTAVO_LAMBDA { return Isa::multiply(v, hard_sigmoid<Isa>(v, 1.0f / 6.0f, 0.5f)); });
    case Function::kLeakyRelu:
      return body([=](Floats v) OCTAVO_LAMBDA { return Isa::where_less(v, zero, Isa::multiply(first, v), v); });
    case Function::kErf:
      return body([](Floats v) OCTAVO_LAMBDA { return error_function<Isa>(v); });
    case Function::kGelu:
      return body([](Floats v) OCTAVO_LAMBDA { return gelu<Isa>(v); });
    case Function::kGeluTanh:
      return body([](Floats v) OCTAVO_LAMBDA { return gelu_tanh<Isa>(v); });
    case Function::kExp:
      return body([](Floats v) OCTAVO_LAMBDA { return exponential<Isa>(v); });
    case Function::kSqrt:
      return body([](Floats v) OCTAVO_LAMBDA { return Isa::square_root(v); });
    case Function::kAbs:
      return body([](Floats v) OCTAVO_LAMBDA { return Isa::absolute(v); });
    case Function::kNeg:
      return body([=](Floats v) OCTAVO_LAMBDA { return Isa::multiply(v, Isa::all(-1.0f)); });
    case Function::kReciprocal:
      return body([=](Floats v) OCTAVO_LAMBDA { return Isa::divide(one, v); });
    case Function::kElu:
      return body([=](Floats v) OCTAVO_LAMBDA {
        const auto grown = Isa::subtract(exponential<Isa>(Isa::min(v, zero)), one);
        return Isa::where_less(v, zero, Isa::multiply(first, grown), v);
      });
  }
}

// y may be x.
template <class Isa>
void apply(Function function, float a, float b, const float* x, std::size_t count, float* y) {
  with_function<Isa>(function, a, b, [&](const auto& f) OCTAVO_LAMBDA {
    each_part_of_row(count, [&](std::size_t i, std::size_t left) OCTAVO_LAMBDA {
      Block<Isa> v;
      load_block<Isa>(x + i, left, 0.0f, v);
      change<Isa>(v, f);
      store_block<Isa>(v, left, y + i);
    });
  });
}

// Alternates between the function and quantization, piece by piece: the constants of both do not fit in the registers
// at the same time.
template <class Isa>
void activate(const Activation& row) {
  constexpr std::size_t kPiece = 256;
  float y[kPiece];
  with_function<Isa>(row.function, row.a, row.b, [&](const auto& f) OCTAVO_LAMBDA {
    for (std::size_t first = 0; first < row.count; first += kPiece) {
      const std::size_t count = row.count - first < kPiece ? row.count - first : kPiece;
      each_part_of_row(count, [&](std::size_t i, std::size_t left) OCTAVO_LAMBDA {
        Block<Isa> v, bias;
        load_block<Isa>(row.x + first + i, left, 0.0f, v);
        load_block<Isa>(row.bias + first + i, left, 0.0f, bias);
        zip<Isa>(v, bias, Plus<Isa>());
        change<Isa>(v, f);
        store_block<Isa>(v, left, y + i);
      });
      quantize<Isa>(y, count, row.mapping, row.q + first);
    }
  });
}

}  // namespace
}  // namespace octavo
