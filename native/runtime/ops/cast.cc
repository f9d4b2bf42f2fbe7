// Integers, as numbers, to float32.
#include "runtime/ops/checks.h"
#include "runtime/ops/integers.h"
#include "runtime/ops/ops.h"

namespace octavo {
namespace {

const char* check(const View& view) {
  if (!has(view, 1, 0)) return "a cast has one input and no attributes";
  if (!is_integer(view.in(0)) || !view.out().is_float()) return "it takes integers and gives float32";
  return view.in(0).count == view.out().count ? nullptr : "sizes differ";
}

void run(const Call& call) {
  float* to = call.write<float>();
  with_integers(call.in(0), [&]<class T>(T) {
    const T* from = call.read<T>(0);
    for (std::int64_t i = 0; i < call.out().count; ++i) to[i] = static_cast<float>(from[i]);
  });
}

}  // namespace

const OpKind kCastFloat{"CastFloat", check, run, nullptr, nullptr, true};

}  // namespace octavo
