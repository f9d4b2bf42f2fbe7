// Elementwise comparison of two tensors of one type with broadcasting, to bool.
#include "runtime/ops/broadcast.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/types.h"

namespace octavo {
namespace {

constexpr std::size_t kFunction = schema::Compare["function"];

enum : std::int64_t { kEqual = 1, kLess, kLessOrEqual, kGreater, kGreaterOrEqual };

const char* check(const View& view) {
  if (!has_inputs(view, 2)) return "expected 2 inputs";
  if (view.in(0).dtype != view.in(1).dtype || view.out().dtype != Dtype::kBool) return "type mismatch";
  if (view.attribute(kFunction) < kEqual || view.attribute(kFunction) > kGreaterOrEqual) return "unknown function";
  return broadcasts(view.in(0), view.out()) && broadcasts(view.in(1), view.out()) ? nullptr : "shape mismatch";
}

template <class T>
bool compare(std::int64_t comparison, T a, T b) {
  switch (comparison) {
    case kEqual:
      return a == b;
    case kLess:
      return a < b;
    case kLessOrEqual:
      return a <= b;
    case kGreater:
      return a > b;
    default:
      return a >= b;
  }
}

void run(const Call& call) {
  with_type(call.in(0).dtype, [&](auto type) {
    using T = decltype(type);
    each_pair<T>(call, [&](T a, T b, std::int64_t i) {
      call.write<std::uint8_t>()[i] = compare(call.attribute(kFunction), a, b) ? 1 : 0;
    });
  });
}

}  // namespace

const OpKind kCompare{schema::Compare, check, run};

}  // namespace octavo
