// Validates untrusted bundles: after read_bundle, kernels may rely on every number of the model.
#pragma once

#include <span>
#include <string>

#include "kernels/kernels.h"
#include "runtime/model.h"

namespace octavo {

// Validates the whole bundle before any of it is used. On failure returns false with one sentence in `error`.
bool read_bundle(std::span<const std::byte> file, const Kernels& kernels, Model& model, std::string& error);

// A validated bundle at other dynamic sizes: evaluates what varies, plans the arena and validates again. Returns false
// with one sentence in `error` if the sizes are out of bounds or an operator rejects them.
bool read_bundle_at(std::span<const std::int64_t> sizes, std::span<const std::byte> file, const Kernels& kernels,
                    Model& model, std::string& error);

// Index of the dynamic size that an axis has; kAbsent if the axis is fixed, kMaxSizes if it depends on sizes otherwise.
std::uint32_t size_of_axis(const Model& model, std::uint32_t tensor, int axis);

}  // namespace octavo
