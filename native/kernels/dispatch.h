// Which of the compiled instruction sets runs.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/kernels.h"

namespace octavo {

// All that were compiled in; a later one is preferred to an earlier.
std::span<const Kernels* const> compiled();

// Those of them that this processor can run.
std::vector<const Kernels*> runnable();

// The one of that name; null, and one sentence in `error`, if it is unknown or cannot run here.
const Kernels* find(std::string_view name, std::string& error);

// The one that OCTAVO_ISA names, or without it the best that can run here. Null and a sentence as for `find`.
const Kernels* chosen(std::string& error);

}  // namespace octavo
