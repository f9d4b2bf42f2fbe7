// The interface of operators: what their check and run functions see.
#pragma once

#include <span>

#include "kernels/kernels.h"
#include "runtime/model.h"
#include "runtime/pool.h"
#include "runtime/schema.h"

namespace octavo {

// An operator of a model and its tensors. Optional inputs come last.
class View {
 public:
  View(const Model& model, const Op& op) : model_(model), op_(op) {}

  std::size_t inputs() const { return op_.inputs.size(); }
  std::size_t outputs() const { return op_.outputs.size(); }
  std::size_t attributes() const { return op_.attributes.size(); }
  const Tensor& in(std::size_t i) const { return model_.tensors[op_.inputs[i]]; }
  const Tensor& out() const { return model_.tensors[op_.outputs[0]]; }
  std::int64_t attribute(std::size_t i) const { return op_.attributes[i]; }
  // Attribute i as a float32.
  float real(std::size_t i) const;
  // Attribute i of `schema`, which stands before any per-axis list; schema::NAME["attribute"] gives i.
  std::int32_t int32(std::size_t i) const { return static_cast<std::int32_t>(attribute(i)); }
  std::size_t size(std::size_t i) const { return static_cast<std::size_t>(attribute(i)); }
  // The values of a per-axis list: number `list` of `lists` that lie behind each other, from the first attribute on.
  std::span<const std::int64_t> per_axis(std::size_t list, std::size_t axes) const {
    return op_.attributes.subspan(list * axes, axes);
  }

 protected:
  const Model& model_;
  const Op& op_;
};

// The thread pool of a session and the scratch memory of its threads.
struct Workspace {
  Pool& pool;
  std::byte* scratch;
  std::size_t scratch_bytes;  // per thread, a multiple of a cache line
};

// A View whose tensors have memory: one run of the operator.
class Call : public View {
 public:
  Call(const Model& model, const Op& op, std::byte* const* data, const Workspace& workspace, const Kernels& kernels)
      : View(model, op), kernels(kernels), data_(data), workspace_(workspace) {}

  // Runs the operator.
  void run() const;

  template <class T>
  const T* read(std::size_t i) const {
    return reinterpret_cast<const T*>(data_[op_.inputs[i]]);
  }
  template <class T>
  T* write() const {
    return reinterpret_cast<T*>(data_[op_.outputs[0]]);
  }
  // OpKind::scratch bytes. Within `parallel`, use the scratch that the body receives.
  std::byte* scratch() const { return workspace_.scratch; }

  // The number of parts that run concurrently, and the number to split a job worth `parts` into.
  std::size_t threads() const { return workspace_.pool.threads(); }
  std::size_t split(std::size_t parts) const { return workspace_.pool.split(parts); }

  // Calls body(part, scratch) for each part below `parts`, concurrently, and returns when all are done. `scratch` is
  // the scratch memory of the thread, OpKind::scratch bytes; its content is undefined at the start of a part. Parts
  // divide the elements of the output, never a sum, so the result depends on neither their number nor their order.
  template <class Body>
  void parallel(std::size_t parts, const Body& body) const {
    workspace_.pool.run(parts, [&](std::size_t part, std::size_t thread) {
      body(part, workspace_.scratch + thread * workspace_.scratch_bytes);
    });
  }

  const Kernels& kernels;

 private:
  std::byte* const* data_;
  const Workspace& workspace_;
};

// `check` receives a View whose tensors and indices are valid, and returns null if they are consistent, else the fault.
// `run` relies on it. `scratch` returns the bytes that each thread needs; `multiply_adds` the number in the definition
// of the operator.
struct OpKind {
  schema::Signature schema;
  const char* (*check)(const View& view);
  void (*run)(const Call& call);
  std::size_t (*scratch)(const View& view, const Kernels& kernels) = nullptr;
  std::int64_t (*multiply_adds)(const View& view) = nullptr;
};

inline void Call::run() const { op_.kind->run(*this); }

// Null for an unknown number.
const OpKind* kind_of(std::uint16_t number);

}  // namespace octavo
