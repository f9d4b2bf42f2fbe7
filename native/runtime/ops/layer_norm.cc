// Layer normalization of the rows of a float32 tensor, to float32 or 8 bits. Inputs: the tensor, the scale, and
// optionally shift, bias and skip connection; bias and skip are added to the tensor first.
#include <algorithm>

#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/parallel.h"

namespace octavo {
namespace {

constexpr const schema::Operator& kSchema = schema::LayerNorm;
constexpr std::size_t kEpsilon = kSchema["epsilon"], kShift = kSchema["has_shift"], kBias = kSchema["has_bias"],
                      kSkip = kSchema["has_skip"], kLow = kSchema["qmin"], kHigh = kSchema["qmax"];

bool is_row(const Tensor& tensor, std::int64_t size) {
  return tensor.is_float() && tensor.rank == 1 && tensor.count == size;
}

const char* check(const View& view) {
  std::size_t inputs = 2;
  for (const std::size_t flag : {kShift, kBias, kSkip}) {
    if (view.attribute(flag) != 0 && view.attribute(flag) != 1)
      return "has_shift, has_bias and has_skip must be 0 or 1";
    inputs += static_cast<std::size_t>(view.attribute(flag));
  }
  if (!has_inputs(view, inputs)) return "inputs do not match the attributes has_shift, has_bias and has_skip";
  const Tensor& x = view.in(0);
  if (!x.is_float() || x.rank == 0) return "input must be float32 with at least one axis";
  const std::int64_t size = x.dims[x.rank - 1];
  const std::size_t rows = inputs - static_cast<std::size_t>(view.attribute(kSkip));
  for (std::size_t i = 1; i < rows; ++i) {
    if (!is_row(view.in(i), size)) return "vector length differs from the row length";
  }
  if (rows < inputs && (!view.in(rows).is_float() || view.in(rows).count != x.count)) return "skip connection mismatch";
  if (view.out().count != x.count) return "element count mismatch";
  if (view.out().is_float()) return nullptr;
  if (!view.out().is_byte()) return "output must be float32 or 8-bit";
  return are_bounds(view.attribute(kLow), view.attribute(kHigh), view.out().dtype)
             ? nullptr
             : "qmin and qmax out of range of the type";
}

std::size_t scratch(const View& view, const Kernels&) {
  const Tensor& x = view.in(0);
  return view.out().is_float() ? 0 : kRowsTogether * static_cast<std::size_t>(x.dims[x.rank - 1]) * sizeof(float);
}

void run(const Call& call) {
  std::size_t next = 2;
  const auto optional = [&](std::size_t flag) {
    return call.attribute(flag) == 0 ? nullptr : call.read<float>(next++);
  };
  const Tensor& x = call.in(0);
  LayerNorm rows{};
  rows.size = static_cast<std::size_t>(x.dims[x.rank - 1]);
  rows.x = call.read<float>(0);
  rows.scale = call.read<float>(1);
  rows.shift = optional(kShift);
  rows.bias = optional(kBias);
  rows.skip = optional(kSkip);
  rows.epsilon = call.real(kEpsilon);
  rows.mapping = mapping_of(call.out(), call.attribute(kLow), call.attribute(kHigh));
  const std::size_t all = static_cast<std::size_t>(x.count) / rows.size;
  const std::size_t work = static_cast<std::size_t>(x.count) * 2 * kElementWork;
  share(call, (all + kRowsTogether - 1) / kRowsTogether, work, [&](std::size_t i, std::size_t end, std::byte* scratch) {
    const std::size_t first = i * kRowsTogether, at = first * rows.size;
    LayerNorm own = rows;
    own.rows = std::min(end * kRowsTogether, all) - first;
    own.x += at;
    if (own.skip != nullptr) own.skip += at;
    if (call.out().is_float()) {
      own.y = call.write<float>() + at;
    } else {
      own.y = reinterpret_cast<float*>(scratch);
      own.q = call.write<std::uint8_t>() + at;
    }
    call.kernels.layer_norm(own);
  });
}

}  // namespace

const OpKind kLayerNorm{schema::LayerNorm, check, run, scratch};

}  // namespace octavo
