#include "runtime/arena.h"

#include <algorithm>
#include <numeric>

#include "runtime/model.h"

namespace octavo {
namespace {

// A buffer, and the numbers of the first and last operator that touch it.
struct Lifetime {
  std::size_t first, last;
  std::uint64_t bytes = 0, offset = 0;

  bool meets(const Lifetime& other) const { return first <= other.last && other.first <= last; }
};

bool in_arena(const TensorRecord& tensor) { return tensor.place == static_cast<std::uint8_t>(Place::kArena); }

std::vector<Lifetime> lifetimes(std::span<const OperatorRecord> operators, std::span<const std::uint32_t> operands,
                                const std::vector<TensorRecord>& tensors) {
  std::vector<Lifetime> lifetimes(tensors.size(), {operators.size(), 0});
  for (const TensorRecord& tensor : tensors) {
    if (in_arena(tensor)) lifetimes[tensor.buffer].bytes = std::max(lifetimes[tensor.buffer].bytes, tensor.bytes);
  }
  for (std::size_t number = 0; number < operators.size(); ++number) {
    const OperatorRecord& op = operators[number];
    for (const std::uint32_t operand : operands.subspan(op.first_operand, op.inputs + std::size_t{op.outputs})) {
      if (!in_arena(tensors[operand])) continue;
      Lifetime& life = lifetimes[tensors[operand].buffer];
      life.first = std::min(life.first, number);
      life.last = number;
    }
  }
  return lifetimes;
}

// The lowest offset that overlaps no buffer of an overlapping lifetime; `placed` is sorted by offset.
std::uint64_t lowest(const Lifetime& life, const std::vector<const Lifetime*>& placed) {
  std::uint64_t offset = 0;
  for (const Lifetime* other : placed) {
    if (!life.meets(*other)) continue;
    if (offset + life.bytes <= other->offset) break;
    offset = std::max(offset, (other->offset + other->bytes + kAlignment - 1) / kAlignment * kAlignment);
  }
  return offset;
}

}  // namespace

std::uint64_t plan_arena(std::span<const OperatorRecord> operators, std::span<const std::uint32_t> operands,
                         std::vector<TensorRecord>& tensors) {
  std::vector<Lifetime> lives = lifetimes(operators, operands, tensors);
  std::vector<std::size_t> order(lives.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return lives[a].bytes != lives[b].bytes ? lives[a].bytes > lives[b].bytes : lives[a].first < lives[b].first;
  });
  std::vector<const Lifetime*> placed;
  std::uint64_t size = 0;
  for (const std::size_t buffer : order) {
    Lifetime& life = lives[buffer];
    if (life.bytes == 0) continue;
    life.offset = lowest(life, placed);
    size = std::max(size, life.offset + life.bytes);
    const auto above = [](const Lifetime* a, const Lifetime* b) { return a->offset < b->offset; };
    placed.insert(std::upper_bound(placed.begin(), placed.end(), &life, above), &life);
  }
  for (TensorRecord& tensor : tensors) {
    if (in_arena(tensor)) tensor.offset = lives[tensor.buffer].offset;
  }
  return size;
}

}  // namespace octavo
