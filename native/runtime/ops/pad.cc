// Constant padding; the value is stored by its bits.
#include <algorithm>

#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/strided.h"

namespace octavo {
namespace {

constexpr std::size_t kBefore = schema::Pad.per_axis("before");

const char* check(const View& view) {
  const Tensor &in = view.in(0), &out = view.out();
  const auto rank = static_cast<std::size_t>(in.rank);
  if (!has_inputs(view, 1) || view.attributes() != rank + 1)
    return "expected 1 input, one attribute for each axis and a value";
  if (in.dtype != out.dtype || out.rank != in.rank || rank == 0) return "tensor mismatch";
  for (std::size_t i = 0; i < rank; ++i) {
    const std::int64_t before = view.per_axis(kBefore, rank)[i];
    if (before < 0 || before > out.dims[i] - in.dims[i]) return "an axis is out of range";
  }
  return nullptr;
}

template <class T>
void run_on(const Call& call) {
  const Tensor &in = call.in(0), &out = call.out();
  const int last = in.rank - 1;
  const auto before = call.per_axis(kBefore, static_cast<std::size_t>(in.rank));
  const std::int64_t value = call.attribute(before.size());  // after the list
  std::fill_n(call.write<T>(), out.count, static_cast<T>(value));
  const T* from = call.read<T>(0);
  for (std::int64_t row = 0; row < in.count / in.dims[last]; ++row, from += in.dims[last]) {
    std::int64_t at = before[static_cast<std::size_t>(last)], rest = row;
    for (int i = last - 1; i >= 0; --i) {
      at += (rest % in.dims[i] + before[static_cast<std::size_t>(i)]) * stride(out, i);
      rest /= in.dims[i];
    }
    std::copy_n(from, in.dims[last], call.write<T>() + at);
  }
}

void run(const Call& call) { return call.in(0).is_byte() ? run_on<std::uint8_t>(call) : run_on<std::uint32_t>(call); }

}  // namespace

const OpKind kPad{schema::Pad, check, run};

}  // namespace octavo
