// Copy of a tensor: for an output that is also an input, a constant, or another output.
#include <cstring>

#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/parallel.h"

namespace octavo {
namespace {

const char* check(const View& view) {
  if (!has_inputs(view, 1)) return "expected 1 input";
  return view.in(0).dtype == view.out().dtype && view.in(0).count == view.out().count ? nullptr
                                                                                      : "element count mismatch";
}

void run(const Call& call) {
  share_elements(call, call.out().bytes, [&](std::size_t i, std::size_t end) {
    std::memmove(call.write<std::byte>() + i, call.read<std::byte>(0) + i, end - i);
  });
}

}  // namespace

const OpKind kCopy{schema::Copy, check, run};

}  // namespace octavo
