// NEON with SMMLA: products of two rows of eight by two columns of eight.
#pragma once

#include "kernels/isa/neon.h"

namespace octavo {
namespace {

struct neon_i8mm : neon {
  static constexpr char kName[] = "neon_i8mm";
  // AT_HWCAP2, I8MM.
  static constexpr Needs kNeeds{{{26, 0, kEax, 13}}, 1, 0};
};

}  // namespace
}  // namespace octavo
