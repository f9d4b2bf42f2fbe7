#include "kernels/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__linux__)
#include <sys/auxv.h>
#endif

namespace octavo {
namespace {

#if defined(__x86_64__)

bool has_bit(const CpuBit& wanted) {
  unsigned int part[4] = {};
  if (!__get_cpuid_count(wanted.leaf, wanted.subleaf, &part[0], &part[1], &part[2], &part[3])) return false;
  return part[wanted.part] >> wanted.bit & 1;
}

bool saves(std::uint64_t state) {
  constexpr CpuBit kOsxsave{1, 0, kEcx, 27};
  if (state == 0) return true;
  if (!has_bit(kOsxsave)) return false;
  std::uint32_t low, high;
  asm("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & state) == state;
}

#elif defined(__linux__)

bool has_bit(const CpuBit& wanted) { return getauxval(wanted.leaf) >> wanted.bit & 1; }
bool saves(std::uint64_t) { return true; }

#else

// Without an auxiliary vector only what every processor of the architecture has is taken for granted.
bool has_bit(const CpuBit&) { return false; }
bool saves(std::uint64_t) { return true; }

#endif

}  // namespace

bool has(const Needs& needs) {
  for (int i = 0; i < needs.count; ++i) {
    if (!has_bit(needs.bits[i])) return false;
  }
  return saves(needs.saved_state);
}

}  // namespace octavo
