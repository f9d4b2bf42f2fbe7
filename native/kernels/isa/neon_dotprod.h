// NEON with SDOT.
#pragma once

#include "kernels/isa/neon.h"

namespace octavo {
namespace {

struct neon_dotprod : neon {
  static constexpr char kName[] = "neon_dotprod";
  // AT_HWCAP, ASIMDDP.
  static constexpr Needs kNeeds{{{16, 0, kEax, 20}}, 1, 0};
};

}  // namespace
}  // namespace octavo
