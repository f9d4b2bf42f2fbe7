// From bytes that nobody vouches for to a model that kernels may trust.
#pragma once

#include <span>
#include <string>

#include "kernels/kernels.h"
#include "runtime/model.h"

namespace octavo {

// Checks all of a bundle before any of it is used. False, and one sentence in `error`, if something is wrong.
bool read_bundle(std::span<const std::byte> file, const Kernels& kernels, Model& model, std::string& error);

// A bundle that was read, at other sizes: numbers and memory plan are made for them, and all is checked again. False,
// and one sentence, where the sizes are out of bounds or some operator does not take them.
bool read_bundle_at(std::span<const std::int64_t> sizes, std::span<const std::byte> file, const Kernels& kernels,
                    Model& model, std::string& error);

// The number of the size that the axis of a tensor has; kAbsent if it is fixed, kMaxSizes if it follows otherwise.
std::uint32_t size_of_axis(const Model& model, std::uint32_t tensor, int axis);

}  // namespace octavo
