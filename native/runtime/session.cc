#include "runtime/session.h"

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <new>

namespace octavo {
namespace {

constexpr std::size_t rounded(std::size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

void Session::Free::operator()(std::byte* p) const { std::free(p); }

std::size_t Session::bytes(const Model& model, std::size_t threads) {
  return rounded(model.arena_bytes) + threads * rounded(model.scratch_bytes);
}

Session::Session(const Model& model, const Kernels& kernels, std::uint32_t threads)
    : model_(model),
      kernels_(kernels),
      pool_(threads),
      bytes_(bytes(model, threads)),
      data_(model.tensors.size()),
      inputs_(model.inputs.size()),
      outputs_(model.outputs.size()) {
  if (bytes_ != 0) {
    memory_.reset(static_cast<std::byte*>(std::aligned_alloc(kAlignment, bytes_)));
    if (memory_ == nullptr) throw std::bad_alloc();
    // A bundle whose operators read what none wrote gives the same result each time, too.
    std::memset(memory_.get(), 0, rounded(model.arena_bytes));
  }
  for (std::size_t i = 0; i < data_.size(); ++i) {
    const Tensor& tensor = model.tensors[i];
    if (tensor.place == Place::kArena) data_[i] = memory_.get() + tensor.offset;
    // Never written through: an operator's result lies elsewhere.
    if (tensor.is_constant()) data_[i] = const_cast<std::byte*>(model.file.data()) + model.payload + tensor.offset;
  }
}

void Session::run(const void* const* inputs, void* const* outputs) {
  for (std::size_t i = 0; i < data_.size(); ++i) {
    const Tensor& tensor = model_.tensors[i];
    if (tensor.place == Place::kInput) {
      data_[i] = static_cast<std::byte*>(const_cast<void*>(inputs[tensor.offset]));
    } else if (tensor.place == Place::kOutput) {
      data_[i] = static_cast<std::byte*>(outputs[tensor.offset]);
    }
  }
  pool_.notice_fork();
  const Staff staff{pool_, memory_.get() + rounded(model_.arena_bytes), rounded(model_.scratch_bytes)};
  if (!nanoseconds_.empty()) return run_timed(staff);
  for (const Op& op : model_.ops) op.kind->run(Call(model_, op, data_.data(), staff, kernels_));
}

void Session::run_timed(const Staff& staff) {
  using Clock = std::chrono::steady_clock;
  auto before = Clock::now();
  for (std::size_t i = 0; i < model_.ops.size(); ++i) {
    const Op& op = model_.ops[i];
    op.kind->run(Call(model_, op, data_.data(), staff, kernels_));
    const auto after = Clock::now();
    nanoseconds_[i] += static_cast<std::uint64_t>(std::chrono::nanoseconds(after - before).count());
    before = after;
  }
  ++runs_;
}

void Session::time(bool on) {
  nanoseconds_.assign(on ? model_.ops.size() : 0, 0);
  runs_ = 0;
}

}  // namespace octavo
