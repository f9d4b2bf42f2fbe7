#include "runtime/op.h"

#include <bit>
#include <iterator>

#include "runtime/ops/ops.h"

namespace octavo {
namespace {

const OpKind* const kKinds[] = {
#define OCTAVO_OPERATOR(number, name, ...) &k##name,
#include "runtime/operators.def"
#undef OCTAVO_OPERATOR
};

consteval bool is_numbered_from_one() {
  for (std::size_t i = 0; i < std::size(kSchema); ++i) {
    if (kSchema[i]->number != i + 1) return false;
  }
  return true;
}
static_assert(is_numbered_from_one(), "a bundle stores the numbers: add new operators at the end of operators.def");

}  // namespace

float View::real(std::size_t i) const { return std::bit_cast<float>(static_cast<std::uint32_t>(attribute(i))); }

const OpKind* kind_of(std::uint16_t number) {
  return number == 0 || number > std::size(kKinds) ? nullptr : kKinds[number - 1];
}

}  // namespace octavo
