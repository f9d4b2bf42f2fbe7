#include "kernels/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__linux__)
#include <sys/auxv.h>
#endif

namespace octavo {
namespace {

#if defined(__x86_64__)

enum Register { kEax, kEbx, kEcx, kEdx };

// The CPUID bit of a feature: Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E.
struct CpuidBit {
  CpuFeatures feature;
  unsigned leaf, subleaf;
  Register reg;
  int bit;
};
constexpr CpuidBit kCpuid[] = {
    {kAvx2, 7, 0, kEbx, 5},      {kAvx512F, 7, 0, kEbx, 16},  {kAvx512Dq, 7, 0, kEbx, 17},
    {kAvx512Bw, 7, 0, kEbx, 30}, {kAvx512Vl, 7, 0, kEbx, 31}, {kAvx512Vnni, 7, 0, kEcx, 11},
    {kAvxVnni, 7, 1, kEax, 4},
};
constexpr CpuFeatures kAvx512 = kAvx512F | kAvx512Dq | kAvx512Bw | kAvx512Vl | kAvx512Vnni;

bool has_bit(const CpuidBit& at) {
  unsigned registers[4] = {};
  if (!__get_cpuid_count(at.leaf, at.subleaf, &registers[0], &registers[1], &registers[2], &registers[3])) return false;
  return registers[at.reg] >> at.bit & 1;
}

// Whether the operating system saves the vector registers across context switches (XCR0).
bool saves_registers(CpuFeatures features) {
  constexpr std::uint32_t kYmmState = 0x06, kZmmState = 0xe6;
  constexpr CpuidBit kOsxsave{0, 1, 0, kEcx, 27};
  if (features == 0) return true;
  static const bool has_xgetbv = has_bit(kOsxsave);
  if (!has_xgetbv) return false;
  std::uint32_t low, high;
  asm("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  const std::uint32_t state = (features & kAvx512) != 0 ? kZmmState : kYmmState;
  return (low & state) == state;
}

CpuFeatures available() {
  CpuFeatures found = 0;
  for (const CpuidBit& at : kCpuid) {
    if (has_bit(at)) found |= at.feature;
  }
  return found;
}

#elif defined(__linux__) && defined(__aarch64__)

bool saves_registers(CpuFeatures) { return true; }

CpuFeatures available() {
  constexpr unsigned long kHwcapAsimdDp = 1UL << 20;  // HWCAP_ASIMDDP
  constexpr unsigned long kHwcap2I8mm = 1UL << 13;    // HWCAP2_I8MM
  CpuFeatures found = 0;
  if ((getauxval(AT_HWCAP) & kHwcapAsimdDp) != 0) found |= kDotProd;
  if ((getauxval(AT_HWCAP2) & kHwcap2I8mm) != 0) found |= kI8mm;
  return found;
}

#else

// Without an auxiliary vector, assume the baseline of the architecture.
bool saves_registers(CpuFeatures) { return true; }
CpuFeatures available() { return 0; }

#endif

}  // namespace

bool has_features(CpuFeatures features) {
  static const CpuFeatures supported = available();  // CPUID takes microseconds on a virtual machine
  return (supported & features) == features && saves_registers(features);
}

}  // namespace octavo
