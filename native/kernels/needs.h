// What a processor must have to run an instruction set, as data, so that asking never runs the code asked about.
#pragma once

#include <cstdint>

namespace octavo {

enum CpuidRegister : int { kEax, kEbx, kEcx, kEdx };

// x86: a bit of the register that CPUID fills for (leaf, subleaf). ARM on Linux: a bit of getauxval(leaf).
struct CpuBit {
  std::uint32_t leaf;
  std::uint32_t subleaf;
  CpuidRegister part;
  int bit;
};

// Register state that the operating system must save across switches (XCR0 on x86).
inline constexpr std::uint64_t kYmmState = 0x06;
inline constexpr std::uint64_t kZmmState = 0xe6;

struct Needs {
  CpuBit bits[6];
  int count;
  std::uint64_t saved_state;
};

}  // namespace octavo
