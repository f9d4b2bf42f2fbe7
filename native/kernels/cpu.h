// What the processor that runs this has.
#pragma once

#include "kernels/needs.h"

namespace octavo {

bool has(const Needs& needs);

}  // namespace octavo
