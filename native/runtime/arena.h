// The memory plan at sizes that were left open: the bundle's own is for the sizes that it was compiled at.
#pragma once

#include <span>
#include <vector>

#include "runtime/format.h"

namespace octavo {

// Gives the tensors in the arena their offsets, so that buffers overlap only where no operator needs both; the arena's
// size. Operands and buffers are numbers of tensors. Greedy by size, after Pisarchyk and Lee 2020, as
// octavo/compiler/arena.py plans.
std::uint64_t plan_arena(std::span<const OperatorRecord> operators, std::span<const std::uint32_t> operands,
                         std::vector<TensorRecord>& tensors);

}  // namespace octavo
