// Selection among the compiled instruction sets.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/kernels.h"

namespace octavo {

// All compiled instruction sets, in ascending order of preference.
std::span<const Kernels* const> compiled();

// The compiled instruction sets that this processor supports.
std::vector<const Kernels*> runnable();

// The instruction set of this name; null, with one sentence in `error`, if it is unknown or not supported.
const Kernels* find(std::string_view name, std::string& error);

// The instruction set named by OCTAVO_ISA, by default the best supported one. On failure as `find`.
const Kernels* chosen(std::string& error);

}  // namespace octavo
