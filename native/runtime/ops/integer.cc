// Elementwise arithmetic on int32 or int64, which wraps, or on bool, with broadcasting.
#include <algorithm>
#include <limits>
#include <type_traits>

#include "runtime/ops/broadcast.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/types.h"

namespace octavo {
namespace {

constexpr std::size_t kFunction = schema::BinaryInteger["function"];

enum : std::int64_t { kAdd = 1, kSub, kMul, kDiv, kMax, kMin, kAnd, kOr, kXor };

const char* check(const View& view) {
  if (!has_inputs(view, 2)) return "expected 2 inputs";
  const Dtype dtype = view.out().dtype;
  if (view.in(0).dtype != dtype || view.in(1).dtype != dtype) return "type mismatch";
  const bool is_bool = dtype == Dtype::kBool;
  if (!is_bool && dtype != Dtype::kS32 && dtype != Dtype::kS64) return "tensors must be int32, int64 or bool";
  if (view.attribute(kFunction) < (is_bool ? kAnd : kAdd) || view.attribute(kFunction) > (is_bool ? kXor : kMin)) {
    return "unknown function";
  }
  return broadcasts(view.in(0), view.out()) && broadcasts(view.in(1), view.out()) ? nullptr : "shape mismatch";
}

template <class T>
T combine(std::int64_t function, T a, T b) {
  using Wrapping = std::make_unsigned_t<T>;
  const auto x = static_cast<Wrapping>(a), y = static_cast<Wrapping>(b);
  switch (function) {
    case kAdd:
      return static_cast<T>(x + y);
    case kSub:
      return static_cast<T>(x - y);
    case kMul:
      return static_cast<T>(x * y);
    case kDiv:
      // Division by 0 gives 0; the minimum divided by -1 wraps to itself.
      return b == 0 ? 0 : b == -1 ? static_cast<T>(Wrapping{} - x) : a / b;
    case kMax:
      return std::max(a, b);
    default:
      return std::min(a, b);
  }
}

bool combine_bools(std::int64_t function, bool a, bool b) {
  return function == kAnd ? a && b : function == kOr ? a || b : a != b;
}

template <class T>
void run_on(const Call& call) {
  each_pair<T>(call, [&](T a, T b, std::int64_t i) { call.write<T>()[i] = combine(call.attribute(kFunction), a, b); });
}

void run(const Call& call) {
  if (call.out().dtype == Dtype::kS32) return run_on<std::int32_t>(call);
  if (call.out().dtype == Dtype::kS64) return run_on<std::int64_t>(call);
  each_pair<Bool>(call, [&](Bool a, Bool b, std::int64_t i) {
    call.write<std::uint8_t>()[i] = combine_bools(call.attribute(kFunction), a, b) ? 1 : 0;
  });
}

}  // namespace

const OpKind kBinaryInteger{schema::BinaryInteger, check, run};

}  // namespace octavo
