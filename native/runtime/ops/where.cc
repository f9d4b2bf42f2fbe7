// Elementwise selection between two tensors by a bool tensor, with broadcasting.
#include "runtime/ops/broadcast.h"
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"

namespace octavo {
namespace {

const char* check(const View& view) {
  if (!has_inputs(view, 3)) return "expected 3 inputs";
  if (view.in(0).dtype != Dtype::kBool) return "condition must be bool";
  if (view.in(1).dtype != view.out().dtype || view.in(2).dtype != view.out().dtype) return "type mismatch";
  for (std::size_t i = 0; i < 3; ++i) {
    if (!broadcasts(view.in(i), view.out())) return "shape mismatch";
  }
  return nullptr;
}

template <class T>
void choose(const std::uint8_t* choices, std::int64_t step, const T* yes, std::int64_t yes_step, const T* no,
            std::int64_t no_step, std::int64_t count, T* to) {
  if (step == 1 && yes_step == 0 && no_step == 0) {
    // Masks: two broadcast values.
    const T open = *yes, shut = *no;
    for (std::int64_t i = 0; i < count; ++i) to[i] = choices[i] != 0 ? open : shut;
    return;
  }
  for (std::int64_t i = 0; i < count; ++i) to[i] = choices[i * step] != 0 ? yes[i * yes_step] : no[i * no_step];
}

template <class T>
void run_on(const Call& call) {
  const Tensor& result = call.out();
  const Rows condition(call.in(0), result), yes(call.in(1), result), no(call.in(2), result);
  const std::int64_t length = row_length(result);
  T* to = call.write<T>();
  for (std::int64_t row = 0; row < result.count / length; ++row, to += length) {
    const std::uint8_t* choices = call.read<std::uint8_t>(0) + condition.begin(row);
    const T* first = call.read<T>(1) + yes.begin(row);
    const T* second = call.read<T>(2) + no.begin(row);
    choose(choices, condition.step(), first, yes.step(), second, no.step(), length, to);
  }
}

void run(const Call& call) {
  switch (size_of(call.out().dtype)) {
    case 1:
      return run_on<std::uint8_t>(call);
    case 4:
      return run_on<std::uint32_t>(call);
    default:
      return run_on<std::uint64_t>(call);
  }
}

}  // namespace

const OpKind kWhere{schema::Where, check, run};

}  // namespace octavo
