// From bytes that nobody vouches for to a model that kernels may trust.
#pragma once

#include <span>
#include <string>

#include "kernels/kernels.h"
#include "runtime/model.h"

namespace octavo {

// Checks all of a bundle before any of it is used. False, and one sentence in `error`, if something is wrong.
bool read_bundle(std::span<const std::byte> file, const Kernels& kernels, Model& model, std::string& error);

}  // namespace octavo
