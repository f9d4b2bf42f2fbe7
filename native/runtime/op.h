// What an operator's kernel sees, when it is checked and when it runs.
#pragma once

#include "kernels/kernels.h"
#include "runtime/model.h"

namespace octavo {

// An operator of a model, with its tensors at hand. An input that is left out stands at the end of the list.
class View {
 public:
  View(const Model& model, const Op& op) : model_(model), op_(op) {}

  std::size_t inputs() const { return op_.inputs.size(); }
  std::size_t outputs() const { return op_.outputs.size(); }
  std::size_t attributes() const { return op_.attributes.size(); }
  const Tensor& in(std::size_t i) const { return model_.tensors[op_.inputs[i]]; }
  const Tensor& out() const { return model_.tensors[op_.outputs[0]]; }
  std::int64_t attribute(std::size_t i) const { return op_.attributes[i]; }
  float number(std::size_t i) const;

 protected:
  const Model& model_;
  const Op& op_;
};

// A View whose tensors have memory.
class Call : public View {
 public:
  Call(const Model& model, const Op& op, std::byte* const* data, std::byte* scratch, const Kernels& kernels)
      : View(model, op), kernels(kernels), data_(data), scratch_(scratch) {}

  template <class T>
  const T* read(std::size_t i) const {
    return reinterpret_cast<const T*>(data_[op_.inputs[i]]);
  }
  template <class T>
  T* write() const {
    return reinterpret_cast<T*>(data_[op_.outputs[0]]);
  }
  std::byte* scratch() const { return scratch_; }

  const Kernels& kernels;

 private:
  std::byte* const* data_;
  std::byte* scratch_;
};

// `check` sees a View whose tensors and indices are sound, and judges how they fit each other: null, or what is
// wrong. `run` may then trust all of it.
struct OpKind {
  const char* name;
  const char* (*check)(const View& view);
  void (*run)(const Call& call);
  std::size_t (*scratch)(const View& view, const Kernels& kernels) = nullptr;
  // Whether its tensors may be of 16 bits; those of the others never are.
  bool takes_shorts = false;
};

// Null for a number that no kind has.
const OpKind* kind_of(std::uint16_t number);

}  // namespace octavo
