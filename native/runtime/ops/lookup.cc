// A unary function on 8 bits as a table of 256 entries, indexed by the byte whether it is signed or not.
#include "runtime/ops/checks.h"
#include "runtime/ops/ops.h"
#include "runtime/ops/parallel.h"

namespace octavo {
namespace {

const char* check(const View& view) {
  if (!has_inputs(view, 2)) return "expected 2 inputs";
  if (!view.in(0).is_byte() || !view.out().is_byte()) return "input and output must be 8-bit";
  if (!is_vector(view.in(1), view.out().dtype, 256)) return "table must be 256 constants of the output type";
  return view.in(0).count == view.out().count ? nullptr : "element count mismatch";
}

void run(const Call& call) {
  share_elements(call, static_cast<std::size_t>(call.out().count), [&](std::size_t i, std::size_t end) {
    call.kernels.look_up(call.read<std::uint8_t>(0) + i, end - i, call.read<std::uint8_t>(1),
                         call.write<std::uint8_t>() + i);
  });
}

}  // namespace

const OpKind kLookup{schema::Lookup, check, run};

}  // namespace octavo
