// Arena planning for dynamic sizes other than those that the bundle was compiled at.
#pragma once

#include <span>
#include <vector>

#include "runtime/format.h"

namespace octavo {

// Assigns arena offsets so that buffers overlap only where their lifetimes do not; returns the size of the arena.
// Operands and buffers are indices of tensors. Greedy by size (Pisarchyk and Lee 2020), like octavo/compiler/arena.py.
std::uint64_t plan_arena(std::span<const OperatorRecord> operators, std::span<const std::uint32_t> operands,
                         std::vector<TensorRecord>& tensors);

}  // namespace octavo
