// Gather along an axis by int32 or int64 indices; negative indices count from the end. Indices out of range are
// clamped.
#include <algorithm>
#include <cstring>

#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/strided.h"

namespace octavo {
namespace {

constexpr std::size_t kAxis = schema::Gather["axis"];

const char* check(const View& view) {
  if (!has_inputs(view, 2)) return "expected 2 inputs";
  const Tensor &data = view.in(0), &indices = view.in(1), &out = view.out();
  const std::int64_t axis = view.attribute(kAxis);
  if (axis < 0 || axis >= data.rank) return "axis out of range";
  if (indices.dtype != Dtype::kS32 && indices.dtype != Dtype::kS64) return "indices must be int32 or int64";
  if (data.dtype != out.dtype) return "type mismatch";
  const std::int64_t others = data.count / data.dims[axis];
  return out.count % others == 0 && out.count / others == indices.count ? nullptr : "shape mismatch";
}

template <class T>
void run_by(const Call& call) {
  const Tensor& data = call.in(0);
  const std::int64_t axis = call.attribute(kAxis), size = data.dims[axis], count = call.in(1).count;
  const std::int64_t inner = stride(data, axis), outer = data.count / size / inner;
  const auto bytes = static_cast<std::size_t>(inner) * size_of(data.dtype);
  const std::byte* from = call.read<std::byte>(0);
  std::byte* to = call.write<std::byte>();
  for (std::int64_t i = 0; i < outer; ++i, from += static_cast<std::size_t>(size) * bytes) {
    for (std::int64_t j = 0; j < count; ++j, to += bytes) {
      const std::int64_t stored = call.read<T>(1)[j];
      const std::int64_t index = std::clamp<std::int64_t>(stored < 0 ? stored + size : stored, 0, size - 1);
      std::memcpy(to, from + static_cast<std::size_t>(index) * bytes, bytes);
    }
  }
}

void run(const Call& call) {
  return call.in(1).dtype == Dtype::kS32 ? run_by<std::int32_t>(call) : run_by<std::int64_t>(call);
}

}  // namespace

const OpKind kGather{schema::Gather, check, run};

}  // namespace octavo
