// The input in the middle of a constant. Attributes: what goes before the input on each axis, and the constant's bits.
#include <algorithm>

#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/strided.h"

namespace octavo {
namespace {

const char* check(const View& view) {
  const Tensor &in = view.in(0), &out = view.out();
  const auto rank = static_cast<std::size_t>(in.rank);
  if (!has(view, 1, rank + 1)) return "a padding has one input, an attribute for each axis, and one more";
  if (in.dtype != out.dtype || out.rank != in.rank || rank == 0) return "its tensors do not fit";
  for (std::size_t i = 0; i < rank; ++i) {
    const std::int64_t before = view.attribute(i);
    if (before < 0 || before > out.dims[i] - in.dims[i]) return "an axis does not fit";
  }
  return nullptr;
}

template <class T>
void run_on(const Call& call) {
  const Tensor &in = call.in(0), &out = call.out();
  const int last = in.rank - 1;
  std::fill_n(call.write<T>(), out.count, static_cast<T>(call.attribute(static_cast<std::size_t>(in.rank))));
  const T* from = call.read<T>(0);
  for (std::int64_t row = 0; row < in.count / in.dims[last]; ++row, from += in.dims[last]) {
    std::int64_t at = call.attribute(static_cast<std::size_t>(last)), rest = row;
    for (int i = last - 1; i >= 0; --i) {
      at += (rest % in.dims[i] + call.attribute(static_cast<std::size_t>(i))) * stride(out, i);
      rest /= in.dims[i];
    }
    std::copy_n(from, in.dims[last], call.write<T>() + at);
  }
}

void run(const Call& call) { return call.in(0).is_byte() ? run_on<std::uint8_t>(call) : run_on<std::uint32_t>(call); }

}  // namespace

const OpKind kPad{schema::Pad, check, run};

}  // namespace octavo
