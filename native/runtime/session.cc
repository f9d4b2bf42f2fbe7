#include "runtime/session.h"

#include <chrono>
#include <cstring>
#include <iterator>
#include <new>
#include <utility>

#include "runtime/loader.h"

namespace octavo {
namespace {

constexpr std::size_t kMostPlans = 16;

bool refuse(const Tensor& tensor, int axis, const std::string& takes, std::int64_t length, std::string& error) {
  error = "axis " + std::to_string(axis) + " of '" + tensor.name + "' " + takes + " and was given " +
          std::to_string(length);
  return false;
}

// Sets the size that the length of an input's axis determines. On an invalid length returns false with one sentence in
// `error`.
bool take_length(const Model& model, std::uint32_t slot, int axis, std::int64_t length, Sizes& sizes,
                 std::string& error) {
  const Tensor& tensor = model.tensors[slot];
  const std::uint32_t number = size_of_axis(model, slot, axis);
  if (number == kAbsent) {
    if (length == tensor.dims[axis]) return true;
    return refuse(tensor, axis, "takes " + std::to_string(tensor.dims[axis]), length, error);
  }
  const auto& [name, least, most] = model.sizes[number];
  if (length < least || length > most) {
    return refuse(tensor, axis, "takes " + std::to_string(least) + " to " + std::to_string(most), length, error);
  }
  if (sizes[number] != 0 && sizes[number] != length) {
    const std::string elsewhere = "', which is " + std::to_string(sizes[number]) + " elsewhere,";
    return refuse(tensor, axis, "is of size '" + std::string(name) + elsewhere, length, error);
  }
  sizes[number] = length;
  return true;
}

bool take_shape(const Model& model, std::uint32_t slot, const Shape& shape, Sizes& sizes, std::string& error) {
  const Tensor& tensor = model.tensors[slot];
  if (shape.rank != tensor.rank) {
    error = "'" + std::string(tensor.name) + "' has " + std::to_string(tensor.rank) + " axes and was given " +
            std::to_string(shape.rank);
    return false;
  }
  for (int axis = 0; axis < tensor.rank; ++axis) {
    if (!take_length(model, slot, axis, shape.dims[axis], sizes, error)) return false;
  }
  return true;
}

// The dynamic sizes that the input shapes determine.
Sizes sizes_of(const Model& model) {
  Sizes sizes{};
  for (const std::uint32_t slot : model.inputs) {
    for (int axis = 0; axis < model.tensors[slot].rank; ++axis) {
      const std::uint32_t number = size_of_axis(model, slot, axis);
      if (number != kAbsent) sizes[number] = model.tensors[slot].dims[axis];
    }
  }
  return sizes;
}

}  // namespace

std::size_t Session::bytes(const Model& model, std::size_t threads) {
  return aligned(model.arena_bytes) + threads * aligned(model.scratch_bytes);
}

Session::Session(const Model& model, const Kernels& kernels, std::uint32_t threads)
    : compiled_(model),
      compiled_at_(sizes_of(model)),
      kernels_(kernels),
      pool_(threads),
      data_(model.tensors.size()),
      inputs_(model.inputs.size()),
      outputs_(model.outputs.size()),
      shapes_(model.inputs.size()) {
  for (std::uint32_t i = 0; i < data_.size(); ++i) {
    const Place place = model.tensors[i].place;
    if (place == Place::kInput || place == Place::kOutput) outer_.push_back(i);
  }
  calls_.reserve(model.ops.size());
  attach(model);
}

bool Session::resize(std::string& error) {
  Sizes sizes{};
  for (std::size_t i = 0; i < compiled_.inputs.size(); ++i) {
    if (!take_shape(compiled_, compiled_.inputs[i], shapes_[i], sizes, error)) return false;
  }
  const Model* model = model_at(sizes, error);
  if (model == nullptr) return false;
  if (model != model_) attach(*model);
  return true;
}

const Model* Session::model_at(const Sizes& sizes, std::string& error) {
  if (sizes == compiled_at_) return &compiled_;
  for (auto plan = plans_.begin(); plan != plans_.end(); ++plan) {
    if (plan->sizes != sizes) continue;
    plans_.splice(plans_.begin(), plans_, plan);
    return &plan->model;
  }
  std::list<Plan> plans(1);
  plans.front().sizes = sizes;
  const std::span open(sizes.data(), compiled_.sizes.size());
  if (!read_bundle_at(open, compiled_.file, kernels_, plans.front().model, error)) return nullptr;
  plans_.splice(plans_.begin(), plans);
  if (plans_.size() > kMostPlans) {
    auto oldest = std::prev(plans_.end());
    if (&oldest->model == model_) --oldest;
    plans_.erase(oldest);
  }
  return &plans_.front().model;
}

// Throws before anything is changed.
void Session::attach(const Model& model) {
  const std::size_t size = bytes(model, pool_.threads());
  if (size > bytes_) {
    Memory larger = allocate(size);
    if (larger == nullptr) throw std::bad_alloc();
    // Zeroed, so that operators of an untrusted bundle that read unwritten memory are deterministic too.
    std::memset(larger.get(), 0, aligned(model.arena_bytes));
    memory_ = std::move(larger);
    bytes_ = size;
  }
  for (std::size_t i = 0; i < data_.size(); ++i) {
    const Tensor& tensor = model.tensors[i];
    if (tensor.place == Place::kArena) data_[i] = memory_.get() + tensor.offset;
    // Never written: a constant is no operator's output.
    if (tensor.is_constant()) data_[i] = const_cast<std::byte*>(model.file.data()) + model.payload + tensor.offset;
  }
  workspace_.scratch = memory_.get() + aligned(model.arena_bytes);
  workspace_.scratch_bytes = aligned(model.scratch_bytes);
  calls_.clear();
  for (const Op& op : model.ops) calls_.emplace_back(model, op, data_.data(), workspace_, kernels_);
  model_ = &model;
  if (!nanoseconds_.empty()) time(true);
}

void Session::run(const void* const* inputs, void* const* outputs) {
  for (const std::uint32_t i : outer_) {
    const Tensor& tensor = model_->tensors[i];
    void* buffer = tensor.place == Place::kInput ? const_cast<void*>(inputs[tensor.offset]) : outputs[tensor.offset];
    data_[i] = static_cast<std::byte*>(buffer);
  }
  if (nanoseconds_.empty()) {
    for (const Call& call : calls_) call.run();
  } else {
    run_timed();
  }
  pool_.rest();
}

void Session::run_timed() {
  using Clock = std::chrono::steady_clock;
  auto before = Clock::now();
  for (std::size_t i = 0; i < calls_.size(); ++i) {
    calls_[i].run();
    const auto after = Clock::now();
    nanoseconds_[i] += static_cast<std::uint64_t>(std::chrono::nanoseconds(after - before).count());
    before = after;
  }
  ++runs_;
}

void Session::time(bool on) {
  nanoseconds_.assign(on ? model_->ops.size() : 0, 0);
  runs_ = 0;
}

}  // namespace octavo
