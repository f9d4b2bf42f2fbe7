// AVX2 with the 256-bit VNNI instructions of processors that have no AVX-512.
#pragma once

#include "kernels/isa/avx2.h"

namespace octavo {
namespace {

struct avx_vnni : avx2 {
  static constexpr char kName[] = "avx_vnni";
  static constexpr Needs kNeeds{{{7, 0, kEbx, 5}, {7, 1, kEax, 4}}, 2, kYmmState};
};

}  // namespace
}  // namespace octavo
