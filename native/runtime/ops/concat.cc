// Concatenation along an axis.
#include <algorithm>
#include <cstring>

#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/parallel.h"

namespace octavo {
namespace {

constexpr std::size_t kAxis = schema::Concat["axis"];

const char* check(const View& view) {
  const Tensor& out = view.out();
  const std::int64_t axis = view.attribute(kAxis);
  if (axis < 0 || axis >= out.rank) return "axis out of range";
  std::int64_t length = 0;
  for (std::size_t i = 0; i < view.inputs(); ++i) {
    const Tensor& in = view.in(i);
    if (in.dtype != out.dtype || in.rank != out.rank) return "tensor mismatch";
    for (int j = 0; j < out.rank; ++j) {
      if (j != axis && in.dims[j] != out.dims[j]) return "shape mismatch";
    }
    length += in.dims[axis];
  }
  return length == out.dims[axis] ? nullptr : "shape mismatch";
}

void run(const Call& call) {
  const Tensor& out = call.out();
  std::size_t outer = 1;
  for (int i = 0; i < call.attribute(kAxis); ++i) outer *= static_cast<std::size_t>(out.dims[i]);
  const std::size_t length = out.bytes / outer;
  share(call, outer, out.bytes * kElementWork, [&](std::size_t first, std::size_t last, std::byte*) {
    std::size_t offset = 0;
    for (std::size_t i = 0; i < call.inputs(); ++i) {
      const std::size_t part = call.in(i).bytes / outer;
      for (std::size_t row = first; row < last; ++row) {
        std::memmove(call.write<std::byte>() + row * length + offset, call.read<std::byte>(i) + row * part, part);
      }
      offset += part;
    }
  });
}

}  // namespace

const OpKind kConcat{schema::Concat, check, run};

}  // namespace octavo
