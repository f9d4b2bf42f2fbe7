// Types of the operator schema. operators.def holds the schema itself; schema::NAME is one operator of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

// Clang before 17 rejects calls of consteval members inside templates; there, names are checked when they are used.
#if defined(__clang__) && __clang_major__ < 17
#define OCTAVO_CONSTEVAL constexpr
#else
#define OCTAVO_CONSTEVAL consteval
#endif

namespace octavo {
namespace schema {

// How an attribute's 64-bit integer is interpreted: as an integer, as 0 or 1, as the bits of a float32, or as the
// number of a name, counted from 1.
enum class Type : std::uint8_t { kInteger, kBoolean, kReal, kChoice };

// How often an attribute is stored. The layout is: single values and per-axis lists in the order of the schema, then
// for each batch axis one value of every kPerBatchAxis attribute, or all of the kWithResidual attributes.
enum class Repeat : std::uint8_t {
  kOnce,
  kPerAxis,       // a list with one value for each axis of the tensor
  kPerBatchAxis,  // one value in the record of each batch axis
  kWithResidual,  // only where a residual add is fused
};

struct Attribute {
  std::string_view name = {};
  Type type = Type::kInteger;
  Repeat repeat = Repeat::kOnce;
  std::span<const std::string_view> choices = {};
};

consteval Attribute integer(const char* name) { return {name}; }
consteval Attribute boolean(const char* name) { return {name, Type::kBoolean}; }
consteval Attribute real(const char* name) { return {name, Type::kReal}; }
consteval Attribute choice(const char* name, std::span<const std::string_view> choices) {
  return {name, Type::kChoice, Repeat::kOnce, choices};
}
consteval Attribute per_axis(const char* name) { return {name, Type::kInteger, Repeat::kPerAxis}; }
consteval Attribute per_batch_axis(const char* name) { return {name, Type::kInteger, Repeat::kPerBatchAxis}; }
consteval Attribute with_residual(Attribute attribute) {
  attribute.repeat = Repeat::kWithResidual;
  return attribute;
}

// Flags of an operator.
inline constexpr unsigned kNone = 0;
inline constexpr unsigned kTakes16Bit = 1;  // its tensors may be uint16 or int16

inline constexpr std::size_t kMaxAttributes = 28;

struct Operator {
  std::uint16_t number;
  std::string_view name;
  unsigned flags;
  Attribute list[kMaxAttributes] = {};

  constexpr std::span<const Attribute> attributes() const {
    std::size_t count = 0;
    while (count < kMaxAttributes && !list[count].name.empty()) ++count;
    return {list, count};
  }
  constexpr std::size_t count(Repeat repeat) const {
    std::size_t total = 0;
    for (const Attribute& attribute : attributes()) total += attribute.repeat == repeat;
    return total;
  }

  // Where a single value is stored. An unknown name, or one behind a per-axis list, does not compile.
  OCTAVO_CONSTEVAL std::size_t operator[](std::string_view name) const {
    std::size_t at = 0;
    for (const Attribute& attribute : attributes()) {
      if (attribute.name == name && attribute.repeat != Repeat::kPerBatchAxis) return at;
      if (attribute.repeat == Repeat::kPerAxis) break;
      ++at;
    }
    throw "no attribute of this name";
  }
  // Which list, of those per axis, it is.
  OCTAVO_CONSTEVAL std::size_t per_axis(std::string_view name) const { return among(Repeat::kPerAxis, name); }
  // Which value, in the record of a batch axis, it is.
  OCTAVO_CONSTEVAL std::size_t per_batch_axis(std::string_view name) const {
    return among(Repeat::kPerBatchAxis, name);
  }

 private:
  OCTAVO_CONSTEVAL std::size_t among(Repeat repeat, std::string_view name) const {
    std::size_t at = 0;
    for (const Attribute& attribute : attributes()) {
      if (attribute.repeat != repeat) continue;
      if (attribute.name == name) return at;
      ++at;
    }
    throw "no attribute of this name";
  }
};

// The part of an operator's schema that a run needs; attribute names are for tools only.
struct Signature {
  std::string_view name;
  unsigned flags;
  std::uint8_t single, lists, record, residual;  // number of attributes of each kind of repeat

  constexpr Signature(const Operator& op)
      : name(op.name),
        flags(op.flags),
        single(static_cast<std::uint8_t>(op.count(Repeat::kOnce))),
        lists(static_cast<std::uint8_t>(op.count(Repeat::kPerAxis))),
        record(static_cast<std::uint8_t>(op.count(Repeat::kPerBatchAxis))),
        residual(static_cast<std::uint8_t>(op.count(Repeat::kWithResidual))) {}

  // Whether `stored` integers can be its attributes.
  constexpr bool accepts(std::size_t stored) const {
    if (stored < single) return false;
    if (lists != 0) return (stored - single) % lists == 0;
    if (record != 0) return (stored - single) % record == 0;
    return stored == single || stored == std::size_t{single} + residual;
  }
};

// Names of the functions that a choice selects, from number 1 on; kernels.h and the operators' files use the numbers.
inline constexpr std::string_view kArithmetic[] = {"Add", "Sub", "Mul", "Div", "Max", "Min", "Pow"};
inline constexpr std::string_view kFunctions[] = {"Clip",      "Sigmoid", "Tanh", "HardSigmoid", "HardSwish",
                                                  "LeakyRelu", "Erf",     "Gelu", "GeluTanh",    "Exp",
                                                  "Sqrt",      "Abs",     "Neg",  "Reciprocal",  "Elu"};
inline constexpr std::string_view kReductions[] = {"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"};
inline constexpr std::string_view kComparisons[] = {"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"};
inline constexpr std::string_view kIntegerFunctions[] = {"Add", "Sub", "Mul", "Div", "Max", "Min", "And", "Or", "Xor"};

// Groups of attributes.
// The bounds of the output's grid.
#define OCTAVO_BOUNDS integer("qmin"), integer("qmax")
#define OCTAVO_KERNEL integer("kernel_h"), integer("kernel_w")
// The geometry of a window.
#define OCTAVO_WINDOW                                                                                       \
  integer("stride_h"), integer("stride_w"), integer("pad_top"), integer("pad_left"), integer("pad_bottom"), \
      integer("pad_right"), integer("dilation_h"), integer("dilation_w")
// The geometry of a transposed convolution.
#define OCTAVO_SCATTER                                                                                                \
  integer("group"), OCTAVO_KERNEL, integer("stride_h"), integer("stride_w"), integer("pad_top"), integer("pad_left"), \
      integer("dilation_h"), integer("dilation_w")
// A tensor as (outer, length, inner): the operator works along `length`.
#define OCTAVO_AXES integer("outer"), integer("length"), integer("inner")
// The same with several scales: 0 a single one, 1 one per position along `length`, 2 one per block of positions.
#define OCTAVO_BLOCKS OCTAVO_AXES, integer("sharing"), integer("block")
// A unary function and its two parameters.
#define OCTAVO_FUNCTION choice("function", kFunctions), real("alpha"), real("beta")
// The grid of the product that a residual is added to; qmin and qmax are then those of the sum.
#define OCTAVO_RESIDUAL                                                               \
  with_residual(real("product_scale")), with_residual(integer("product_zero_point")), \
      with_residual(integer("product_qmin")), with_residual(integer("product_qmax"))

#define OCTAVO_OPERATOR(number, name, flags, ...) inline constexpr Operator name{number, #name, flags, {__VA_ARGS__}};
#include "runtime/operators.def"
#undef OCTAVO_OPERATOR

}  // namespace schema

// All operators, in the order of their numbers, which start at 1.
inline constexpr const schema::Operator* kSchema[] = {
#define OCTAVO_OPERATOR(number, name, ...) &schema::name,
#include "runtime/operators.def"
#undef OCTAVO_OPERATOR
};

}  // namespace octavo
